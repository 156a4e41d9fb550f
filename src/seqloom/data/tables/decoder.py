"""The process that `columnar_file.py` starts: it decodes a Parquet or Arrow file and writes it as an Arrow file.

It imports polars and nothing else, so that it starts fast. It ends with status 1 and one line of text if the file is
broken; broken files can also make polars abort.
"""

from __future__ import annotations

import os
import resource
import sys

import polars as pl


def decode(path: str) -> None:
    """Writes the frame of a file to standard output. An Arrow file may have the file format or the streaming format."""
    try:
        _read(path).write_ipc(sys.stdout.buffer)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError) as error:
        first_line = str(error).strip().partition("\n")[0]
        sys.exit(first_line or type(error).__name__)


def _read(path: str) -> pl.DataFrame:
    if path.lower().endswith(".parquet"):
        return pl.read_parquet(path, glob=False)
    try:
        return pl.read_ipc(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return pl.read_ipc_stream(path)


def _limit_memory() -> None:
    """A file can demand any amount of memory. What exceeds that of the machine fails here instead of exhausting it."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or soft > limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


if __name__ == "__main__":
    _limit_memory()
    decode(sys.argv[1])
