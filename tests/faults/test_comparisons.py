"""Broken files of comparisons, and the command that continues them."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.faults.campaign import campaign, random_for, rounds
from tests.faults.children import Answer, answer_to, in_child, try_inputs
from tests.faults.commands import call, silence
from tests.faults.mutation import mutated
from tests.support.texts import write_text

COMMAND = "compare language-model DATA --models ngram,lstm --out FOLDER --updates 2 --set embedding.dim=4 --threads 1"
_OF_RUNS = ("summary.json", "metrics.jsonl", "config.toml")


def test_broken_comparisons_are_continued_or_refused(tmp_path: Path) -> None:
    before, good, broken, errors = len(campaign.failures), tmp_path / "good", tmp_path / "broken", tmp_path / "errors"
    data = write_text(tmp_path / "text.txt", lines=60)

    def compare(folder: Path) -> int:
        silence(errors)
        return call(COMMAND, {"DATA": data, "FOLDER": folder})

    assert in_child(lambda: compare(good)) == 0, errors.read_text()
    files = sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())
    files = [path for path in files if len(path.parts) == 1 or path.name in _OF_RUNS or path.suffix == ".npz"]
    contents = [(good / path).read_bytes() for path in files]

    def asked(number: int) -> tuple[Path, bytes]:
        rng = random_for("compare", number)
        place = rng.randrange(len(files))
        return files[place], mutated(contents[place], rng, contents)

    def work(number: int) -> Answer:
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(good, broken)
        file, content = asked(number)
        (broken / file).write_bytes(content)
        kind, what = answer_to(lambda: compare(broken), sum(map(len, contents)))
        return kind, f"compare with {file}: {what}"

    def write_a_report() -> None:
        """So that imports do not count as the time of the first input."""
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(good, broken)
        (broken / "report.md").unlink()
        assert compare(broken) == 0, errors.read_text()

    numbers = rounds(0.05, per_second=2, fewest=4)
    try_inputs("compare", numbers, lambda number: asked(number)[1], work, write_a_report)
    campaign.check(before)
