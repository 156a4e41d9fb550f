"""The commands at work: train, evaluate, score, generate, list; from files, compressed ones and standard input."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

import seqloom
from tests.support.command_line import CommandLine
from tests.support.texts import write_text

SMALL = ["--updates", "4", "--threads", "1", "--set", "model.hidden_size=8", "--set", "embedding.dim=8"]


def test_train_evaluate_and_use(cli: CommandLine, tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    status, output, errors = cli(
        "train", "language-model", text, "--model", "gru", *SMALL, "--out", tmp_path / "run", "--json"
    )
    assert status == 0, errors
    printed = json.loads(output)
    assert printed["run"] == str(tmp_path / "run")
    summary = seqloom.load(tmp_path / "run").summary
    assert printed["test_perplexity"] == summary["test"]["perplexity"]
    lines = [line for line in errors.splitlines() if line.startswith("gru")]
    assert len(lines) == 4, "one line an evaluation, not wrapped"
    assert all("valid perplexity" in line and "left)" in line and "targets/s" in line for line in lines)

    status, output, _ = cli("evaluate", tmp_path / "run", text, "--json")
    assert status == 0
    metrics = {"perplexity", "bits_per_token", "bits_per_byte", "tokens", "unknown", "perplexity_excluding_unknown"}
    assert json.loads(output).keys() == metrics


def test_train_on_standard_input_and_compressed_text(cli: CommandLine, tmp_path: Path) -> None:
    text = Path(write_text(tmp_path / "text.txt", lines=60))
    (tmp_path / "text.txt.gz").write_bytes(gzip.compress(text.read_bytes()))
    results = []
    for data, standard_input in ((text, ""), (f"{text}.gz", ""), ("-", text.read_text())):
        out = tmp_path / f"run-{len(results)}"
        status, output, errors = cli(
            "train", "language-model", data, *SMALL, "--out", out, "--json", standard_input=standard_input
        )
        assert status == 0, errors
        results.append({name: value for name, value in json.loads(output).items() if name != "run"})
    assert results[0] == results[1] == results[2]


def test_a_run_without_a_folder_gets_one(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    monkeypatch.chdir(tmp_path)
    for expected in ("runs/language-model-lstm", "runs/language-model-lstm-2"):
        status, output, _ = cli("train", "language-model", text, *SMALL)
        assert status == 0
        assert expected in output.splitlines()[-1].split()
        assert (tmp_path / expected / "model.safetensors").exists()


def test_evaluate_for_people_and_from_standard_input(cli: CommandLine, run: seqloom.Run) -> None:
    text = run.folder.parent / "text.txt"
    status, output, _ = cli("evaluate", run.folder, text)
    assert status == 0
    assert [line.split()[0] for line in output.splitlines()] == [
        "perplexity", "bits_per_token", "bits_per_byte", "tokens", "unknown",
        "perplexity_excluding_unknown",
    ]  # fmt: skip
    assert cli("evaluate", run.folder, "-", standard_input=text.read_text()).output == output


def test_score_gives_a_line_for_each(cli: CommandLine, run: seqloom.Run, tmp_path: Path) -> None:
    content = "w1 w4\n\nnowhere w2\n"
    status, output, _ = cli("score", run.folder, standard_input=content)
    assert status == 0
    rows = [line.split("\t") for line in output.splitlines()]
    assert [(row[1], row[2]) for row in rows] == [("3", "0"), ("1", "0"), ("3", "1")]
    (tmp_path / "lines.txt").write_text(content)
    as_json = [
        json.loads(line) for line in cli("score", run.folder, tmp_path / "lines.txt", "--json").output.splitlines()
    ]
    assert [f"{row['log_prob']:.6f}" for row in as_json] == [row[0] for row in rows]


def test_many_lines_are_scored_in_order(cli: CommandLine, run: seqloom.Run) -> None:
    content = "".join(f"{'w1 ' * (i % 7)}\n" for i in range(2_500))
    _, output, _ = cli("score", run.folder, standard_input=content)
    assert [int(line.split("\t")[1]) for line in output.splitlines()] == [i % 7 + 1 for i in range(2_500)]


def test_generate_writes_on(cli: CommandLine, run: seqloom.Run) -> None:
    arguments = ["generate", run.folder, "--prompt", "w1 w4", "--temperature", "0", "--max-tokens", "5"]
    status, output, _ = cli(*arguments)
    assert status == 0
    assert output.startswith("w1 w4")
    assert output.endswith("\n")
    assert len(output.split()) <= 7
    assert cli(*arguments).output == output


@pytest.mark.parametrize("kind", ["tasks", "models", "layers", "readers"])
def test_lists(kind: str, cli: CommandLine) -> None:
    status, output, _ = cli("list", kind)
    rows = json.loads(cli("list", kind, "--json").output)
    assert status == 0
    assert [row["name"] for row in rows] == [line.split()[0] for line in output.splitlines()]
    assert all(row["description"] for row in rows)
    expected = {"tasks": "language-model", "models": "lstm", "layers": "gru", "readers": "lines"}
    assert expected[kind] in [row["name"] for row in rows]


def test_models_are_listed_with_what_they_are_in_each_task(cli: CommandLine) -> None:
    rows = json.loads(cli("list", "models", "--json").output)
    assert {"bow", "lstm+attention", "ngram", "skipgram"} <= {row["name"] for row in rows}
    of_classify = json.loads(cli("list", "models", "classify", "--json").output)
    assert all(row["tasks"] == ["classify"] for row in of_classify)
    attention = [row["tasks"] for row in rows if row["name"] == "lstm+attention"]
    assert attention == [["classify"], ["describe", "translate"], ["transcribe"]], (
        "what attends to what is another thing in each"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tasks", "tag"], "expected: seqloom list tasks"),
        (["models", "tag", "lstm"], "expected: seqloom list models [TASK]"),
        (["models", "tga"], "did you mean 'tag'?"),
    ],
)
def test_a_wrong_list(arguments: list[str], says: str, cli: CommandLine) -> None:
    status, output, errors = cli("list", *arguments)
    assert (status, output) == (2, "")
    assert says in errors


def test_settings_of_the_default_model(cli: CommandLine) -> None:
    assert cli("list", "settings", "tag").output == cli("list", "settings", "tag", "bilstm").output


def test_the_version(cli: CommandLine) -> None:
    status, output, _ = cli("--version")
    assert (status, output) == (0, f"seqloom {seqloom.__version__}\n")


def test_a_task_has_a_default_model(cli: CommandLine, tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    small = ["--epochs", "1", "--threads", "1", "--set", "model.dim=8", "--set", "min_count=1", "--set", "sample=0"]
    status, _, errors = cli("train", "vectors", text, *small, "--out", tmp_path / "run")
    assert status == 0, errors
    assert seqloom.load(tmp_path / "run").plan.model == "skipgram"


@pytest.mark.parametrize("model", ["lstm", "transformer", "ar"])
def test_settings_are_listed_with_defaults(model: str, cli: CommandLine) -> None:
    rows = {row["name"]: row for row in json.loads(cli("list", "settings", "language-model", model, "--json").output)}
    assert all(row["description"] for row in rows.values())
    assert rows["training.clip_norm"]["value"] == 1.0
    assert cli("list", "settings", "language-model", model).output.count("\n") == len(rows)


@pytest.mark.parametrize("command", [[], ["--help"], ["train", "--help"], ["generate", "--help"], ["list", "--help"]])
def test_help(command: list[str], cli: CommandLine) -> None:
    status, output, errors = cli(*command)
    assert status == (0 if command else 2)
    assert "Usage: seqloom" in output + errors


def test_help_imports_neither_torch_nor_the_like() -> None:
    code = (
        "import sys; sys.argv = ['seqloom', '--help']\n"
        "from seqloom.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'tokenizers', 'safetensors', 'altair', 'scipy'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(','.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_goes_away(run: seqloom.Run) -> None:
    """`seqloom score ... | head -1` ends without a traceback."""
    lines = "\n".join(["w1 w2"] * 50_000)
    command = f"{sys.executable} -m seqloom score {run.folder} | head -1"
    done = subprocess.run(command, shell=True, input=lines, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_the_schema_of_settings(cli: CommandLine) -> None:
    schema = json.loads(cli("list", "settings", "language-model", "lstm", "--schema").output)
    assert {"tokenizer", "data", "embedding", "output", "model", "training"} <= schema["properties"].keys()
    assert schema["default"]["training"]["learning_rate"] == 4e-3
    model = schema["$defs"][schema["properties"]["model"].get("$ref", "/").rpartition("/")[2]]
    assert "description" in model["properties"]["hidden_size"]
    assert cli("list", "tasks", "--schema").status == 2


def test_tokens_are_scored(cli: CommandLine, run: seqloom.Run) -> None:
    status, output, _ = cli("score", run.folder, "--tokens", standard_input="w1 w4\nw2\n")
    assert status == 0
    assert [line.split("\t")[0] for line in output.splitlines()] == ["w1", "w4", "<eos>", "", "w2", "<eos>", ""]
    as_json = cli("score", run.folder, "--tokens", "--json", standard_input="w1 w4\nw2\n").output.splitlines()
    first = json.loads(as_json[0])
    assert [row["token"] for row in first] == ["w1", "w4", "<eos>"]


def test_a_misspelt_setting_is_weighed_by_its_last_part(cli: CommandLine, tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    near = {"model.learning_rte": "training.learning_rate", "training.hiden_size": "model.hidden_size"}
    for wrong, right in near.items():
        errors = cli("train", "language-model", text, "--set", f"{wrong}=1").errors
        assert f"did you mean '{right}'?" in errors
