"""`seqloom look` over broken files of every reader: it describes them, or refuses them in words."""

from __future__ import annotations

from pathlib import Path

from tests.faults.campaign import campaign, random_for, rounds
from tests.faults.children import Answer, answer_to, try_inputs
from tests.faults.commands import call, silence
from tests.faults.mutation import mutated
from tests.faults.samples import ALL_CONTENTS, SAMPLES

FILES = [sample for samples in SAMPLES.values() for sample in samples]


def test_broken_files_are_described_or_refused(tmp_path: Path) -> None:
    before = len(campaign.failures)

    def asked(number: int) -> tuple[str, bytes]:
        rng = random_for("look", number)
        name, content = rng.choice(FILES)
        return name, mutated(content, rng, ALL_CONTENTS)

    def work(number: int) -> Answer:
        name, content = asked(number)
        path = tmp_path / name
        path.write_bytes(content)
        silence(tmp_path / "errors")
        kind, what = answer_to(lambda: call("look FILE", {"FILE": path}), len(content))
        return kind, f"look {name}: {what}"

    try_inputs("look", rounds(0.1, per_second=20), lambda number: asked(number)[1], work)
    campaign.check(before)
