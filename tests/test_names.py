"""Names say what they hold: catch-all names are refused."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

CATCH_ALL = frozenset(
    ("asked", "chosen", "found", "given", "kept", "one", "own", "rest", "said", "told", "wanted", "whole")
)
"""Names that a reader has to look up, since they only say how something came about."""


def catch_all_names(source: str) -> list[tuple[int, str]]:
    """The line and the name of each variable, parameter, attribute, function and class with a catch-all name. Keywords
    of calls do not count, since their names are those of the parameters."""
    names = []
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "arg", "attr", "name"):
            name = getattr(node, field, None)
            if (
                isinstance(name, str)
                and (name if name.isupper() else name.lower()) in CATCH_ALL
                and not isinstance(node, ast.keyword | ast.alias)
            ):
                names.append((node.lineno, name))  # type: ignore[attr-defined]
    return names


def test_catch_all_names_are_counted() -> None:
    source = "def own(one):\n    found = f(kept=one.rest)\n    return [chosen for chosen in whole]\nclass Found: ...\n"
    assert [name for _, name in sorted(catch_all_names(source))] == [
        "one", "own", "found", "one", "rest", "chosen", "chosen", "whole", "Found",
    ]  # fmt: skip
    assert not catch_all_names('"""One that was found."""\nfrom a import found as first\nerror(got=first)\n')


@pytest.mark.parametrize("package", ["seqloom", "seqloom_portable"])
def test_no_catch_all_names(package: str) -> None:
    files = sorted((SOURCE / package).rglob("*.py"))
    assert files
    refused = [
        f"{path.relative_to(SOURCE)}:{line} {name}"
        for path in files
        for line, name in catch_all_names(path.read_text(encoding="utf-8"))
    ]
    assert not refused
