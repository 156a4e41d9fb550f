"""The beginning of Moby Dick, a text of the examples."""

from __future__ import annotations

from pathlib import Path

_TEXT = Path(__file__).resolve().parents[2] / "examples" / "moby_dick.txt"


def first_lines(count: int, folder: Path) -> str:
    """The path of a file in `folder` with the first lines."""
    path = folder / "moby_dick.txt"
    path.write_text("".join(_TEXT.read_text(encoding="utf-8").splitlines(keepends=True)[:count]), encoding="utf-8")
    return str(path)
