"""Every registered reader over broken files: it reads them, or refuses them with a `SeqloomError`."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from seqloom.data.readers import readers
from seqloom.memory import peak_memory_bytes
from tests.faults.campaign import campaign, rounds
from tests.faults.mutation import mutated
from tests.faults.samples import ALL, samples_of

NAMES = list(readers)
MOST_MEMORY = 500 << 20


@pytest.mark.parametrize("name", NAMES)
def test_broken_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    chance, before = campaign.random(name), len(campaign.failures)
    others, largest, memory = [content for _, content in ALL], 0, peak_memory_bytes()
    for _ in rounds(0.4 / len(NAMES)):
        file, content = chance.choice(samples_of(name))
        content = mutated(content, chance, others)
        largest = max(largest, len(content))
        packed = chance.choice(("", "", "", "", ".gz", ".xz"))
        if packed:
            content = mutated({".gz": gzip.compress, ".xz": lzma.compress}[packed](content), chance, others)
        path = tmp_path / (file + packed)
        path.write_bytes(content)
        campaign.attempt(f"reader {name}", content, lambda path=str(path): sum(1 for _ in readers[name](path)))
    campaign.check(before)
    assert peak_memory_bytes() - memory < MOST_MEMORY + 10 * largest
