"""Parquet files on which polars panics, which Python does not count as an `Exception`: refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from seqloom.data.readers import readers
from seqloom.errors import SeqloomError


@pytest.mark.parametrize("reader", ["described", "series", "lines", "labelled"])
def test_a_panic_is_refused(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"text": ["a", "b"], "label": ["x", "y"], "value": [1.0, 2.0]}).write_parquet(path)

    def panic(*_: Any, **__: Any) -> None:
        raise pl.exceptions.PanicException("assertion failed")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(SeqloomError):
        list(readers[reader](str(path)))
