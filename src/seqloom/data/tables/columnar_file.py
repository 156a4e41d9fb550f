"""Parquet and Arrow files as frames of polars, decoded in a process of their own."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from seqloom.errors import SeqloomError
from seqloom.files import reading

if TYPE_CHECKING:
    import polars as pl

_ALLOCATION = re.compile(r"memory allocation of \d+ bytes failed")


def read_columnar(path: str) -> pl.DataFrame:
    """The frame of a file. Fields of structures are columns such as `translation.en`.

    Polars aborts on some broken files, for example if a page claims more values than memory can hold. Python cannot
    catch that, so another process decodes the file. Raises SeqloomError if it fails.
    """
    with reading(path):
        status = Path(path).stat()
        return _decoded(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@functools.lru_cache(maxsize=1)
def _decoded(path: str, *state: int) -> pl.DataFrame:  # noqa: ARG001
    """The frame of a file in this state. The last one is kept, mapped from a file, because commands such as `look` open
    a table several times."""
    Path(path).open("rb").close()
    with tempfile.TemporaryFile() as decoded, _decoder(path, decoded) as decoder:
        import polars as pl  # takes as long as the start of the decoder: both happen at once

        errors = decoder.communicate()[1].decode("utf-8", "replace")
        if decoder.returncode:
            raise SeqloomError(
                "the table could not be read", where=path, got=_reason(decoder.returncode, errors),
                expected="a Parquet or Arrow file that is whole",
            )  # fmt: skip
        decoded.seek(0)
        return _unnested(pl.read_ipc(decoded))


@contextlib.contextmanager
def _decoder(path: str, output: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The process that decodes the file. It is ended with the block."""
    command = [sys.executable, "-P", "-m", "seqloom.data.tables.decoder", path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "RUST_BACKTRACE": "0"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, env=environment
    ) as decoder:
        try:
            yield decoder
        finally:
            decoder.kill()


def _reason(status: int, errors: str) -> str:
    """Why the decoder failed: what it says, or how it ended."""
    if allocation := _ALLOCATION.search(errors):
        return allocation[0]
    if status < 0:
        return f"polars ended with the signal {signal.Signals(-status).name}"
    return errors.strip().rpartition("\n")[2]


def _unnested(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    while nested := [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]:
        name = nested[0]
        fields = [field.name for field in frame.schema[name].fields]  # type: ignore[attr-defined]
        frame = frame.with_columns(pl.col(name).struct.field(f).alias(f"{name}.{f}") for f in fields).drop(name)
    return frame
