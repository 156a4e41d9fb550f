"""Every registered reader over broken files: it reads them, or refuses them with a `SeqloomError`."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from seqloom.data.readers import readers
from seqloom.memory import peak_memory_bytes
from tests.faults.campaign import MOST_MEMORY, campaign, random_for, rounds
from tests.faults.mutation import mutated
from tests.faults.samples import ALL_CONTENTS, SAMPLES

NAMES = list(readers)
_PACK = {".gz": gzip.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("name", NAMES)
def test_broken_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    before, largest, memory = len(campaign.failures), 0, peak_memory_bytes()
    for number in rounds(0.4 / len(NAMES), per_second=700):
        chance = random_for(name, number)
        file, content = chance.choice(SAMPLES[name])
        content = mutated(content, chance, ALL_CONTENTS)
        largest = max(largest, len(content))
        packed = chance.choice(("", "", "", "", ".gz", ".xz"))
        if packed:
            content = mutated(_PACK[packed](content), chance, ALL_CONTENTS)
        path = tmp_path / (file + packed)
        path.write_bytes(content)
        campaign.attempt(f"reader {name}", number, content, lambda path=str(path): sum(1 for _ in readers[name](path)))
    campaign.check(before)
    assert peak_memory_bytes() - memory < MOST_MEMORY + 10 * largest
