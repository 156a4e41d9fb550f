"""Names that no file can have, wherever a file or a folder may be named: a message, not an error of the system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import seqloom
from seqloom.errors import SeqloomError
from tests.support.texts import write_text

TOO_LONG, WITH_NUL = "a" * 300, "a\0b"


def _train(task: str, data: str, **options: object) -> object:
    return seqloom.train(task, data, updates=1, quiet=True, **options)  # type: ignore[arg-type]


CALLS: dict[str, Callable[[str, str], object]] = {
    "data": lambda _, name: _train("language-model", name),
    "table": lambda _, name: _train("classify", f"{name}.csv"),
    "validation data": lambda text, name: _train("language-model", text, valid=name),
    "algorithm": lambda _, name: _train("algorithm", name),
    "pretrained vectors": lambda text, name: _train("classify", text, settings={"embedding.from": name}),
    "tokenizer": lambda text, name: _train("language-model", text, settings={"tokenizer.file": name}),
    "folder of a new run": lambda text, name: _train("language-model", text, out=name),
    "folder of a resumed run": lambda text, name: _train("language-model", text, out=name, resume=True),
    "run": lambda _, name: seqloom.load(name),
    "ancestor": lambda text, name: _train("language-model", text, initialise_from=name),
    "folder of a comparison": lambda text, name: seqloom.compare(
        "language-model", text, models=["rnn"], updates=1, out=name, quiet=True
    ),
}


@pytest.mark.parametrize("name", [TOO_LONG, WITH_NUL], ids=["too long", "NUL"])
@pytest.mark.parametrize("call", CALLS)
def test_it_is_refused(call: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = write_text(tmp_path / "text.txt")
    with pytest.raises(SeqloomError, match=r"(?s)too long|NUL|no algorithm|no run|could not be read"):
        CALLS[call](text, name)
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"text.txt"}
