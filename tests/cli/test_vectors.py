"""`seqloom vectors` and what goes with it, from the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import seqloom
from tests.support.command_line import CommandLine
from tests.support.page_elements import loads
from tests.support.ranks import KINDS, write_neighbours
from tests.support.texts import write_text


def test_train_ask_evaluate_and_write(cli: CommandLine, tmp_path: Path) -> None:
    text, run = write_neighbours(tmp_path / "text.txt"), tmp_path / "run"
    train = ["train", "vectors", text, "--model", "skipgram", "--epochs", 12, "--threads", 1, "--out", run]
    for setting in ("dim=16", "min_count=2", "sample=0", "learning_rate=0.1"):
        train += ["--set", setting]
    status, output, errors = cli(*train, "--json")
    assert status == 0, errors
    assert json.loads(output)["test_nats_per_pair"] == seqloom.load(run).summary["test"]["nats_per_pair"]

    status, output, _ = cli("vectors", run, "similar", "king", "--top", 3)
    assert status == 0
    assert {line.split("\t")[0] for line in output.splitlines()} <= set(KINDS["royal"])
    status, output, _ = cli("vectors", run, "analogy", "king", "-", "queen", "+", "ship", "--json", "--top", 2)
    assert [set(near) for near in json.loads(output)] == [{"word", "cosine"}] * 2
    assert "bread" in cli("vectors", run, "doesnt-match", "king", "bread", "crown").output
    assert "similarity" in cli("vectors", run, "similarity", "king", "crown").output
    (tmp_path / "asked.txt").write_text(": one\nking queen ship whale\n")
    found = json.loads(cli("vectors", run, "evaluate", tmp_path / "asked.txt", "--json").output)
    assert found["questions"] == 1
    (tmp_path / "rated.tsv").write_text("king\tqueen\t9\nship\twave\t8\nship\tking\t1\nsoup\tking\t2\n")
    found = json.loads(cli("vectors", run, "evaluate", tmp_path / "rated.tsv", "--json").output)
    assert found["pairs"] == 4

    for name in ("words.bin", "words.vec"):
        assert cli("export", run, "--to", "word2vec", tmp_path / name).status == 0
        shown = [cli("vectors", source, "similar", "king").output for source in (run, tmp_path / name)]
        assert shown[0] == shown[1]
    for action in ("map", "report"):
        page = tmp_path / f"{action}.html"
        assert cli("vectors", run, action, "--out", page, "--figures", tmp_path / "figures").status == 0
        content = page.read_text(encoding="utf-8")
        assert content.startswith("<!doctype html>")
        assert not loads(content)
    assert "king" in (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "held-out" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"map.svg", "losses.svg"}


def test_any_network_that_reads_words_has_vectors(cli: CommandLine, run: seqloom.Run) -> None:
    word = seqloom.Vectors.open(run.folder).words[0]
    status, output, _ = cli("vectors", run.folder, "similar", word)
    assert status == 0
    assert len(output.splitlines()) == 10


def test_mistakes(cli: CommandLine, run: seqloom.Run, tmp_path: Path) -> None:
    word = seqloom.Vectors.open(run.folder).words[0]
    for arguments in (
        ["similar"],
        ["similar", "nowhere"],
        ["simular", word],
        ["analogy", "-", word],
        ["doesnt-match", word],
        ["similarity", word],
        ["evaluate", str(tmp_path / "nothing.txt")],
        ["map"],
        ["similar", word, "--out", str(tmp_path / "page.html")],
        ["similar", word, "--most-words", "100"],
        ["doesnt-match", word, word, word, "--top", "3"],
        ["similarity", word, word, "--figures", str(tmp_path)],
        ["report", "--out", str(tmp_path / "page.html"), "--first", "9"],
        ["map", "--out", str(tmp_path / "page.html"), "--json"],
    ):
        status, _, errors = cli("vectors", run.folder, *arguments)
        assert status == 2, arguments
        assert "Traceback" not in errors
        option = next((argument for argument in arguments[2:] if argument.startswith("--")), "")
        assert option in errors
    assert cli("vectors", tmp_path, "similar", word).status == 2
    text = write_text(tmp_path / "text.txt", lines=80)
    cli("train", "language-model", text, "--model", "ngram", "--out", tmp_path / "ngram")
    status, _, errors = cli("vectors", tmp_path / "ngram", "similar", word)
    assert status == 2
    assert "no vectors" in errors
    status, _, errors = cli("export", tmp_path / "ngram", "--to", "word2vec", tmp_path / "words.txt")
    assert status == 2


WITHOUT_TORCH = """
import json, signal, sys
sys.modules["torch"] = None  # whoever imports it now fails
from seqloom.cli.main import main
from seqloom.training.reports import Terminal
step = Terminal.step
for arguments in json.loads(sys.argv.pop()):
    is_stopped = arguments[-1] == "STOPPED"
    Terminal.step = (lambda *_: signal.raise_signal(signal.SIGTERM)) if is_stopped else step
    sys.argv[1:] = arguments[:-1] if is_stopped else arguments
    try:
        main()
    except SystemExit as ended:
        assert (ended.code or 0) == (130 if is_stopped else 0), (arguments, ended.code)
"""


def test_vectors_need_no_torch(tmp_path: Path) -> None:
    """It is large and slow to import: word vectors are trained, stopped, resumed and asked without it."""
    text, run = write_neighbours(tmp_path / "text.txt"), str(tmp_path / "run")
    train = ["train", "vectors", text, "--model", "cbow", "--epochs", "2", "--threads", "2", "--out", run]
    train += ["--set", "min_count=2", "--set", "dim=8"]
    commands = [
        [*train, "STOPPED"],
        [*train, "--resume"],
        ["evaluate", run, text],
        ["embed", run, text],
        ["vectors", run, "similar", "king"],
        ["export", run, "--to", "word2vec", str(tmp_path / "words.bin")],
        ["vectors", str(tmp_path / "words.bin"), "map", "--out", str(tmp_path / "map.html")],
        ["vectors", run, "report", "--out", str(tmp_path / "report.html")],
    ]
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, json.dumps(commands)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_vectors_run_on_the_processor(cli: CommandLine, tmp_path: Path) -> None:
    text = write_neighbours(tmp_path / "text.txt")
    status, _, errors = cli("train", "vectors", text, "--model", "cbow", "--device", "cuda", "--out", tmp_path / "run")
    assert status == 2
    assert "auto or cpu" in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_compared(cli: CommandLine, tmp_path: Path) -> None:
    text = write_neighbours(tmp_path / "text.txt")
    status, output, errors = cli(
        *("compare", "vectors", text, "--models", "cbow,skipgram", "--epochs", 2, "--threads", 1, "--json"),
        *("--seeds", 1, "--out", tmp_path / "compared", "--set", "min_count=2", "--set", "dim=8"),
    )
    assert status == 0, errors
    report = json.loads(output)
    assert {row["model"] for row in report["rows"]} == {"cbow", "skipgram"}
    assert "No verdict" in report["verdict"]


def test_some_words_of_a_file_and_words_that_are_broken(cli: CommandLine, tmp_path: Path) -> None:
    path, words = tmp_path / "vectors.txt", tmp_path / "words.txt"
    path.write_bytes(b"king 1 2\nqueen 1 3\nsh\xc3 2 -1\n")
    words.write_text("queen\nking\n")
    assert cli("vectors", path, "similar", "king").status == 1
    for option in (["--first", 2], ["--only", words]):
        status, output, _ = cli("vectors", path, "similar", "king", *option)
        assert status == 0
        assert [line.split("\t")[0] for line in output.splitlines()] == ["queen"]
    status, output, _ = cli("vectors", path, "similar", "king", "--unicode-errors", "ignore")
    assert [line.split("\t")[0] for line in output.splitlines()] == ["queen", "sh"]
    assert cli("vectors", path, "similar", "king", "--unicode-errors", "drop").status == 2


def test_runs_that_do_not_fit_their_tokenizer(cli: CommandLine, tmp_path: Path) -> None:
    text = write_neighbours(tmp_path / "text.txt")
    trainings = {
        "ngram": ["language-model", text, "--model", "ngram", "--set", "order=2"],
        "words": ["vectors", text, "--model", "cbow", "--epochs", "1", "--set", "min_count=2", "--set", "dim=8"],
    }
    for name, training in trainings.items():
        run = tmp_path / name
        assert cli("train", *training, "--out", run).status == 0
        tokenizer = json.loads((run / "tokenizer.json").read_text(encoding="utf-8"))
        for number in range(50):
            tokenizer["model"]["vocab"][f"more{number}"] = len(tokenizer["model"]["vocab"])
        (run / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
        for command in (["evaluate", run, text], ["vectors", run, "similar", "more1"], ["embed", run, text]):
            status, _, errors = cli(*command)
            assert status in (1, 2), (name, command)
            assert "Traceback" not in errors


def test_a_report_without_a_finite_loss(cli: CommandLine, tmp_path: Path) -> None:
    text, run = write_neighbours(tmp_path / "text.txt"), tmp_path / "run"
    (tmp_path / "valid.txt").write_text("nothing known here\n")
    train = ["train", "vectors", text, "--model", "cbow", "--epochs", "1", "--set", "min_count=2", "--set", "dim=8"]
    status, _, errors = cli(*train, "--valid", tmp_path / "valid.txt", "--out", run)
    assert status == 0, errors
    status, _, errors = cli("vectors", run, "report", "--out", tmp_path / "report.html")
    assert status == 2
    assert "no held-out loss" in errors


@pytest.fixture(scope="module")
def documents_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of three kinds, with names in a column."""
    folder = tmp_path_factory.mktemp("documents")
    lines = Path(write_neighbours(folder / "text.txt", lines=90)).read_text(encoding="utf-8").splitlines()
    kinds = list(KINDS)
    rows = [
        {"name": f"{kinds[number % 3]} {number}", "text": " ".join([line] * 3)} for number, line in enumerate(lines)
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        seqloom.train(
            "vectors", folder / "data.jsonl", model="pv-dbow", epochs=20, out=folder / "run", threads=1, quiet=True,
            settings={"dim": 12, "min_count": 2, "sample": 0, "learning_rate": 0.1, "word_vectors": False},
        )  # fmt: skip
    return folder / "run"


def test_documents_are_found(cli: CommandLine, documents_run: Path, tmp_path: Path) -> None:
    names = seqloom.Vectors.open(documents_run, documents=True).words
    royal = next(name for name in names if name.startswith("royal"))
    status, output, errors = cli("vectors", documents_run, "similar", royal, "--documents", "--top", 3, "--json")
    assert status == 0, errors
    similar = [row["word"] for row in json.loads(output)]
    assert all(name.startswith("royal") for name in similar)
    assert royal not in similar
    text = "ship whale sailor harpoon wave captain ship whale sailor"
    status, output, errors = cli("vectors", documents_run, "similar", text, "--documents", "--top", 3)
    assert status == 0, errors
    assert all(line.startswith("sea") for line in output.splitlines())
    (tmp_path / "new.txt").write_text(f"{text}\nnothing known\n", encoding="utf-8")
    status, output, errors = cli("embed", documents_run, tmp_path / "new.txt")
    assert status == 0, errors
    first, second = ([float(number) for number in line.split("\t")] for line in output.splitlines())
    assert any(first)
    assert not any(second)
    assert len(first) == 12
    status, _, errors = cli("vectors", documents_run, "map", "--documents", "--out", tmp_path / "map.html")
    assert status == 0, errors


def test_mistakes_with_documents(cli: CommandLine, run: seqloom.Run, documents_run: Path, tmp_path: Path) -> None:
    twice = tmp_path / "twice.csv"
    twice.write_text("name,text\na,the king\na,the queen\n", encoding="utf-8")
    for arguments, message in (
        (["vectors", run.folder, "similar", "king", "--documents"], "no vectors of documents"),
        (["vectors", documents_run, "similar", "king"], "no vectors of words"),
        (["vectors", documents_run, "similar", "royal", "--documents"], "there is no document named"),
        (["vectors", documents_run, "report", "--documents", "--out", tmp_path / "r.html"], "--documents"),
        (["embed", documents_run, twice, "--pooling", "word-mean"], "no vectors of words"),
        (["export", documents_run, "--to", "word2vec", tmp_path / "words.txt"], "no vectors of words"),
        (["train", "vectors", twice, "--model", "pv-dm", "--out", tmp_path / "run"], "the same name"),
        (["train", "vectors", twice, "--model", "pv-dbow", "--set", "word_vectors=false", "--set", "window=3"],
         "changes nothing"),
    ):  # fmt: skip
        status, _, errors = cli(*arguments)
        assert status in (1, 2), arguments
        assert message in errors
        assert "Traceback" not in errors
    names = json.loads((documents_run / "documents.json").read_text(encoding="utf-8"))
    broken = tmp_path / "broken"
    shutil.copytree(documents_run, broken)
    (broken / "documents.json").write_text(json.dumps(names[1:]), encoding="utf-8")
    for arguments in (["vectors", broken, "similar", names[1], "--documents"], ["embed", broken, twice]):
        status, _, errors = cli(*arguments)
        assert status in (1, 2), arguments
        assert "damaged" in errors
