"""What commands print for programs."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from seqloom.cli.options import to_json


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"loss": 1.5, "word": "é"}, {"loss": 1.5, "word": "é"}),
        ({"loss": math.inf, "lines": [{"score": -math.inf, "tokens": 3}], "pair": (math.nan, 1.0)},
         {"loss": None, "lines": [{"score": None, "tokens": 3}], "pair": [None, 1.0]}),
    ],
)  # fmt: skip
def test_json_is_what_every_reader_takes(value: Any, read: Any) -> None:
    line = to_json(value)
    assert "\n" not in line
    assert json.loads(line, parse_constant=refuse) == read
