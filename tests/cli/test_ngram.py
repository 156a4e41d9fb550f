"""n-gram models from the command line: trained, used, exported, imported, compared."""

from __future__ import annotations

import json
import math
from pathlib import Path

import seqloom
from tests.support.command_line import CommandLine
from tests.support.texts import write_text


def test_train_use_export_and_import(cli: CommandLine, tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=80)
    train = ["train", "language-model", text, "--model", "ngram", "--set", "order=3", "--minutes", "5"]
    status, output, errors = cli(*train, "--out", tmp_path / "run", "--json")
    assert status == 0, errors
    summary = seqloom.load(tmp_path / "run").summary
    assert json.loads(output)["test_perplexity"] == summary["test"]["perplexity"]
    assert summary["finished"]
    assert summary["seconds"] < 240, "the budget is not used up"
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["valid_perplexity"] for row in rows] == [summary["valid"]["perplexity"]]
    assert cli(*train, "--out", tmp_path / "run").status == 2, "a run is there already"
    assert cli(*train, "--out", tmp_path / "run", "--resume", "--json").output == output

    status, output, _ = cli("score", tmp_path / "run", standard_input="a b\n\n")
    assert status == 0
    assert len(output.splitlines()) == 2
    assert cli("generate", tmp_path / "run", "--max-tokens", "5").status == 0

    arpa = tmp_path / "model.arpa.gz"
    assert cli("export", tmp_path / "run", "--to", "arpa", arpa).status == 0
    status, _, errors = cli("import", arpa, "--out", tmp_path / "again")
    assert status == 0, errors
    lines = Path(text).read_text().splitlines()[:20]
    scores = [seqloom.load(tmp_path / name).score(lines) for name in ("run", "again")]
    for one, other in zip(*scores, strict=True):
        assert math.isclose(one.log_prob, other.log_prob, abs_tol=1e-4)
        assert one[1:] == other[1:]


def test_mistakes(cli: CommandLine, run: seqloom.Run, tmp_path: Path) -> None:
    status, _, errors = cli("export", run.folder, "--to", "arpa", tmp_path / "model.arpa")
    assert status == 2
    assert "n-gram models" in errors
    assert cli("export", run.folder, "--to", "arpo", tmp_path / "model.arpa").status == 2
    assert cli("import", tmp_path / "nothing.arpa").status == 2
    text = write_text(tmp_path / "text.txt", lines=80)
    status, _, errors = cli("train", "language-model", text, "--model", "mix", "--out", tmp_path / "mix")
    assert status == 2
    assert "model.parts" in errors


def test_comparison_with_a_network(cli: CommandLine, tmp_path: Path) -> None:
    """The same tokens are scored, though one goes along a stream and the other line by line."""
    text = write_text(tmp_path / "text.txt", lines=80)
    small = ["--set", "gru:model.hidden_size=8", "--set", "gru:embedding.dim=8", "--updates", "4", "--threads", "1"]
    small += ["--seeds", "1"]
    status, output, errors = cli(
        "compare", "language-model", text, "--models", "ngram,gru", *small, "--out", tmp_path / "compared", "--json"
    )
    assert status == 0, errors
    runs = json.loads(output)["runs"]
    assert len({run["summary"]["test"]["tokens"] for run in runs}) == 1
    assert {row["model"] for row in json.loads(output)["rows"]} == {"ngram", "gru"}
