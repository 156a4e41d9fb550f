"""Parquet and Arrow files on which polars panics or aborts the process: refused, by every reader that takes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from seqloom.data.readers import readers
from seqloom.data.tables.columnar import columnar_table
from seqloom.data.tables.columnar_file import read_columnar
from seqloom.errors import SeqloomError

FRAME = pl.DataFrame({"text": ["a", "b", "c"], "label": ["x", None, "y"], "value": [1.0, None, 2.0]})
GOOD_PARQUET = Path("tests/faults/good_files/series/long.parquet").read_bytes()
ZSTD = bytes.fromhex("28b52ffd")
"""What a frame of Zstandard begins with."""


def write_huge_page(path: Path) -> None:
    """The header of the first data page claims a huge number of values. Polars aborts when it allocates them."""
    content = bytearray(GOOD_PARQUET)
    assert content[125] == 6, "3 values, as a zigzag varint, in the header of a page"
    content[125] = 99
    path.write_bytes(content)


def write_huge_buffer(path: Path) -> None:
    """The compressed buffers of an Arrow file begin with their length. Polars allocates what that of nulls says."""
    FRAME.write_ipc(path, compression="zstd")
    before, texts, nulls, *others = path.read_bytes().split(ZSTD)
    lying = texts[:-8] + (2**61).to_bytes(8, "little")
    path.write_bytes(ZSTD.join([before, lying, nulls, *others]))


def write_half(path: Path) -> None:
    FRAME.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-60])


BROKEN: dict[str, Callable[[Path], object]] = {
    "page.parquet": write_huge_page,
    "buffer.arrow": write_huge_buffer,
    "half.parquet": write_half,
}
ABORTING = ("page.parquet", "buffer.arrow")


@pytest.mark.parametrize("name", ABORTING)
def test_polars_itself_aborts(name: str, tmp_path: Path) -> None:
    """Once this fails, polars refuses such files, and no process of their own is needed."""
    BROKEN[name](tmp_path / name)
    read = "read_parquet" if name.endswith(".parquet") else "read_ipc"
    code = f"import polars, sys; polars.{read}(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], capture_output=True, check=False)
    assert done.returncode == -6, done.stderr


@pytest.mark.parametrize("reader", ["described", "series", "lines", "labelled"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(name: str, reader: str, tmp_path: Path) -> None:
    BROKEN[name](tmp_path / name)
    with pytest.raises(SeqloomError, match=name):
        list(readers[reader](str(tmp_path / name)))


@pytest.mark.parametrize("name", ABORTING)
def test_the_error_says_what_failed(name: str, tmp_path: Path) -> None:
    BROKEN[name](tmp_path / name)
    with pytest.raises(SeqloomError, match=r"memory allocation of \d+ bytes failed"):
        read_columnar(str(tmp_path / name))


def test_a_date_beyond_the_calendar_of_python_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"text": ["a"], "day": pl.Series([10**7], dtype=pl.Int32).cast(pl.Date)}).write_parquet(path)
    with pytest.raises(SeqloomError, match=r"x\.parquet"):
        list(columnar_table(str(path)).rows)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    for frame in (FRAME, FRAME.head(1), FRAME.clear(), pl.DataFrame()):
        frame.write_ipc(path)
        assert read_columnar(str(path)).equals(frame)
        assert read_columnar(str(path)).equals(frame)


def test_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    FRAME.head(2).write_parquet(tmp_path / "x1.parquet")
    FRAME.write_parquet(tmp_path / "x[1].parquet")
    assert read_columnar(str(tmp_path / "x[1].parquet")).equals(FRAME)
