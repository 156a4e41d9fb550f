"""Every registered reader over broken files: it reads them, or refuses them with a `SeqloomError`."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from seqloom.data.input_source import COLUMNAR, suffix_of
from seqloom.data.readers import readers
from tests.faults.campaign import campaign, random_for, rounds
from tests.faults.children import Answer, answer_to, try_inputs
from tests.faults.commands import silence
from tests.faults.mutation import mutated
from tests.faults.samples import ALL_CONTENTS, SAMPLES

NAMES = list(readers)
_COLUMNAR_SHARE = 0.02
"""Each Parquet or Arrow file takes a process of its own, as long as hundreds of other inputs."""
WEIGHTS = {
    name: [_COLUMNAR_SHARE if suffix_of(file) in COLUMNAR else 1 for file, _ in samples]
    for name, samples in SAMPLES.items()
}
_PACK = {".gz": gzip.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("name", NAMES)
def test_broken_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    before = len(campaign.failures)

    def asked(number: int) -> tuple[str, bytes]:
        rng = random_for(name, number)
        file, content = rng.choices(SAMPLES[name], WEIGHTS[name])[0]
        content = mutated(content, rng, ALL_CONTENTS)
        packed = rng.choice(("", "", "", "", ".gz", ".xz"))
        return file + packed, mutated(_PACK[packed](content), rng, ALL_CONTENTS) if packed else content

    def work(number: int) -> Answer:
        file, content = asked(number)
        path = tmp_path / file
        path.write_bytes(content)
        silence(tmp_path / "errors")
        return answer_to(lambda: sum(0 for _ in readers[name](str(path))), len(content))

    try_inputs(f"reader {name}", rounds(0.4 / len(NAMES), per_second=700), lambda number: asked(number)[1], work)
    campaign.check(before)
