"""A real comparison of two tiny models, and what is refused before one begins."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.pairs import write_pairs
from tests.support.training_here import train_here
from typer.testing import CliRunner

from seqloom.cli.main import app
from seqloom.comparison import training_process, trainings
from seqloom.comparison.comparison import compare
from seqloom.comparison.report_content import Comparison
from seqloom.comparison.spec import make_spec
from seqloom.errors import RequestError, SeqloomError, SeqloomWarning

TINY = {"model.hidden_size": 16, "embedding.dim": 16, "training.evaluations": 3}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    draw = random.Random(1)
    words = [f"w{n}" for n in range(60)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(" ".join(draw.choices(words, k=8)) for _ in range(300)) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def trained_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "run_training", train_here)


def small(text: Path, out: Path, **changed: Any) -> Comparison:
    asked: dict[str, Any] = {
        "models": ["ffnn", "rnn"],
        "updates": 6,
        "seeds": 2,
        "threads": 1,
        "settings": {**TINY, "rnn:hidden_size": 8},
        "quiet": True,
        "out": out,
    }
    return compare("language-model", str(text), **(asked | changed))


@pytest.mark.usefixtures("trained_here")
def test_translators_are_compared_by_what_they_write(tmp_path: Path) -> None:
    sizes = {"encoder.hidden_size": 8, "decoder.hidden_size": 8, "embedding.dim": 8, "tokenizer.min_count": 1}
    found = compare(
        "translate",
        write_pairs(tmp_path / "pairs.tsv"),
        models=["gru", "gru+attention"],
        updates=3,
        seeds=1,
        threads=1,
        settings=sizes,
        quiet=True,
        out=tmp_path / "compared",
    )
    assert found.report["score"] == "test exact_match"
    assert not found.report["lower_is_better"]
    assert {row.model for row in found.rows} == {"gru", "gru+attention"}
    assert found.rows[0].score.mean >= found.rows[1].score.mean


def test_a_comparison_from_start_to_end(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the trainings runs in a process of its own, as all of them do for users."""
    out, in_process = tmp_path / "compared", training_process.run_training

    def train(arguments: list[str], title: str, quiet: bool) -> None:
        (in_process if title == "rnn with seed 2" else train_here)(arguments, title, quiet)

    monkeypatch.setattr(trainings, "run_training", train)
    small(text, out, seeds=2)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    trained = [("ffnn", 1), ("rnn", 1), ("ngram", 1), ("ffnn", 2), ("rnn", 2)]
    assert [(run["model"], run["seed"]) for run in report["runs"]] == trained
    assert all(run["summary"]["finished"] and run["metrics"] for run in report["runs"])
    ffnn, _, rnn = sorted(report["rows"], key=lambda row: row["model"])
    assert len(ffnn["scores"]) == len(rnn["curves"]) == 2
    assert ffnn["online_milliseconds"] > 0
    assert ffnn["parameters"] > rnn["parameters"]
    assert "test perplexity" in report["verdict"]
    tokenizers = {
        (out / "runs" / f"{m}-seed{s}" / "tokenizer.json").read_bytes() for m in ("ffnn", "rnn") for s in (1, 2)
    }
    assert len(tokenizers) == 1
    assert "rnn" in (out / "report.html").read_text(encoding="utf-8")

    # Again, from the command line: nothing is trained, all is as it was.
    monkeypatch.setattr(trainings, "run_training", lambda *_: pytest.fail("it was trained again"))
    damaged = out / "examples" / "rnn-seed1.npz"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.warns(SeqloomWarning, match="saved scores are damaged"):
        small(text, out, seeds=2)
    command = ["compare", "language-model", str(text), "--models", "ffnn,rnn", "--out", str(out), "--updates", "6"]
    command += ["--seeds", "2", "--threads", "1", "--set", "rnn:hidden_size=8"]
    command += [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    # `settings` compare equal in any order
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "training" in shown.stdout
    assert "95 % interval over seeds (up to 2)" in shown.stdout
    assert {path.name for path in (out / "examples").iterdir()} == {
        f"{model}-seed{seed}.npz" for model, seed in trained
    }
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["rows"] == report["rows"]

    with pytest.raises(RequestError, match="another comparison") as refused:
        small(text, out, updates=7, seeds=3)
    assert "seeds: 2 then, 3 now" in str(refused.value)
    assert "budget: {'updates': 6} then, {'updates': 7} now" in str(refused.value)
    text.write_text("another text\n" * 50, encoding="utf-8")
    with pytest.raises(RequestError, match="content of a file has changed"):
        small(text, out)


def test_a_count_based_model_is_trained_once(text: Path, tmp_path: Path) -> None:
    """Its seed plays no part, and it is judged by the examples alone."""
    found = compare(
        "language-model",
        str(text),
        models=["ngram"],
        updates=6,
        seeds=3,
        threads=1,
        quiet=True,
        out=tmp_path / "compared",
    )
    assert [run["seed"] for run in found.report["runs"]] == [1]
    assert found.rows[0].deterministic
    assert found.rows[0].score.half_width is not None


@pytest.mark.usefixtures("trained_here")
def test_folds_are_scored_together(tmp_path: Path) -> None:
    """Every example is a test example once."""
    path = tmp_path / "labelled.tsv"
    lines = [f"{'yes' if number % 2 else 'no'}\tword{number % 2} text {number}" for number in range(40)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    compared = compare(
        "classify",
        str(path),
        models=["bow"],
        epochs=1,
        seeds=1,
        folds=2,
        threads=1,
        quiet=True,
        out=tmp_path / "compared",
    )
    assert [(run["seed"], run["fold"]) for run in compared.report["runs"]] == [(1, 1), (1, 2)]
    (row,) = compared.rows
    assert row.examples == 40
    tested = [run["summary"]["test"]["examples"] for run in compared.report["runs"]]
    assert sum(tested) == 40
    accuracy = [run["summary"]["test"]["accuracy"] for run in compared.report["runs"]]
    assert row.score.mean == pytest.approx(sum(a * n for a, n in zip(accuracy, tested, strict=True)) / 40)


@pytest.mark.usefixtures("trained_here")
def test_groups_of_examples_are_what_intervals_count(tmp_path: Path) -> None:
    path = tmp_path / "labelled.csv"
    rows = [f"{'yes' if n % 3 else 'no'},word{n % 2} text {n},author {n // 4}" for n in range(40)]
    path.write_text("\n".join(["label,text,author", *rows]) + "\n", encoding="utf-8")
    compared = compare(
        "classify", str(path), models=["bow", "bow:model.order=1"], epochs=1, seeds=2, folds=2, threads=1,
        quiet=True, out=tmp_path / "compared", settings={"data.columns": "label=label,text=text,group=author"},
    )  # fmt: skip
    assert {row.examples for row in compared.rows} == {10}
    assert "10 test groups" in " ".join(compared.report["notes"])
    assert sum(run["summary"]["test"]["examples"] for run in compared.report["runs"][:2]) == 40


def test_models_with_settings_and_equal_parameters(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first model is the reference; the n-gram model has no size."""
    trained: list[list[str]] = []

    def interrupted(arguments: list[str], *_: object) -> None:
        trained.append(arguments)
        if len(trained) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainings, "run_training", interrupted)
    models = ["lstm", "rnn:num_layers=2", "transformer", "ngram"]
    with pytest.raises(KeyboardInterrupt):
        small(text, tmp_path / "compared", models=models, equal="parameters", settings={"embedding.dim": 16})
    sizes = json.loads((tmp_path / "compared" / "sizes.json").read_text(encoding="utf-8"))
    assert sizes.keys() == {"rnn:num_layers=2", "transformer"}
    assert "model.num_layers=2" in trained[1]
    hidden_size = sizes["rnn:num_layers=2"]["model.hidden_size"]
    assert trained[1][-1] == f"model.hidden_size={hidden_size}"
    assert trained[1][trained[1].index("--out") + 1].endswith("rnn-num_layers=2-seed1")


def test_an_interrupted_run_is_resumed(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def interrupted(arguments: list[str], *_: object) -> None:
        asked.append(arguments)
        run = Path(arguments[arguments.index("--out") + 1])
        run.mkdir(parents=True, exist_ok=True)
        (run / "config.toml").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(trainings, "run_training", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            small(text, tmp_path / "compared")
    assert ["--resume" in arguments for arguments in asked] == [False, True]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"models": ["ffnn", "rmm"]}, "no model named 'rmm'"),
        ({"models": []}, "needs models"),
        ({"models": ["rnn:num_layers=2", "rnn:layers=2"]}, "two names stand for the same model"),
        ({"models": ["ffnn", "rnn", "rnn:hidden_size=8"]}, "two names stand for the same model"),
        ({"equal": "parameter"}, "parameters"),
        ({"equal": "both"}, "budget in minutes"),
        ({"seeds": 0}, "needs a seed"),
        ({"valid": "valid.txt"}, "not ranked on the data that chooses their weights"),
        ({"updates": 0}, "greater than 0"),
        ({"minutes": 1.0}, "greater than 0"),
        ({"settings": {"lstm:model.hidden_size": 3}}, "a model that is not compared"),
        ({"settings": {"rnn:tokenizer.kind": "bpe"}}, "tokenizer is the same"),
        ({"settings": {"rnn:vocab_size": 50}}, "tokenizer is the same"),
        ({"settings": {"model.order": 3}}, "rnn: there is no setting"),
        ({"settings": {"ffnn:model.order": -3}}, "ffnn: the value of a setting"),
        ({"settings": {"nonsense": 1}}, "there is no setting"),
    ],
)
def test_impossible_terms_are_refused_before_anything_happens(
    text: Path, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        small(text, tmp_path / "compared", **changed)
    assert not (tmp_path / "compared").exists()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="does not exist"):
        small(tmp_path / "nothing.txt", tmp_path / "compared")


def test_a_models_own_setting_goes_before_that_of_all(text: Path) -> None:
    settings = {"hidden_size": 32, "rnn:model.hidden_size": 8}
    terms = make_spec("language-model", str(text), None, None, ["ffnn", "rnn"], 1, {"updates": 1}, 0, settings)
    assert terms.settings_of("ffnn") == {"hidden_size": 32}
    assert terms.settings_of("rnn") == {"model.hidden_size": 8}


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        (
            "import sys; print('seqloom: it broke\\n  where: here', file=sys.stderr); sys.exit(1)",
            SeqloomError,
            "it broke",
        ),
        ("import sys; print('seqloom: wrong', file=sys.stderr); sys.exit(2)", RequestError, "wrong"),
        ("raise ValueError('deep inside')", SeqloomError, "ValueError: deep inside"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", SeqloomError, "memory ran out"),
        ("import sys; sys.exit(3)", SeqloomError, "exit status 3"),
        ("import sys; sys.exit(130)", KeyboardInterrupt, ""),
    ],
)
def test_a_failed_training_is_told_with_its_last_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    error: type[BaseException],
    words: str,
) -> None:
    script = tmp_path / "fake-python"
    script.write_text(f"#!{sys.executable}\n{program}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(training_process.sys, "executable", str(script))
    with pytest.raises(error) as failed:
        training_process.run_training([], "lstm with seed 1")
    if words:
        assert "the training of lstm with seed 1 failed" in str(failed.value)
        assert words in str(failed.value)
        assert type(failed.value) is error
    if "print" in program:
        assert words in capsys.readouterr().err
