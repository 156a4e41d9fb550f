"""Small good files of every reader, from which broken ones are made: those in `good_files/READER`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "good_files"
SAMPLES = {
    folder.name: [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    for folder in sorted(FOLDER.iterdir())
}
ALL_CONTENTS = [content for samples in SAMPLES.values() for _, content in samples]
