"""Lines from Python as data."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom
from seqloom.data.input_source import path_of
from seqloom.errors import RequestError


def test_lines_are_kept_once(tmp_path: Path) -> None:
    first = path_of((line for line in ["ü b\n", "", "c"]), tmp_path)
    assert Path(first).read_text(encoding="utf-8") == "ü b\n\nc\n"
    assert path_of(["ü b", "", "c"], tmp_path) == first
    assert path_of(["other"], tmp_path) != first
    assert len(list(tmp_path.iterdir())) == 2, "nothing half written is left"
    assert path_of(Path("text.txt"), tmp_path) == "text.txt"


@pytest.mark.parametrize("item", [3, "two\nlines", b"bytes"])
def test_what_is_no_line_is_refused(item: object, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="line") as caught:
        path_of(["fine", item], tmp_path)  # type: ignore[list-item]
    assert caught.value.where == "item 2"
    assert not list(tmp_path.iterdir())


def test_an_iterator_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    lines = ["the whale rose", "a ship sank", "the sea was calm"] * 20
    made = [
        seqloom.train("language-model", data, model="ngram", valid=lines[:3], out=tmp_path / name, quiet=True)
        for name, data in (("given", iter(lines)), ("file", path_of(lines, tmp_path)))
    ]
    assert made[0].score(lines[:3]) == made[1].score(lines[:3])
    assert made[0].score(lines[:1]).log_probs[0] < 0
