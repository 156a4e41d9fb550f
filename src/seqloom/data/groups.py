"""Groups of related examples, such as the forms of a lemma: those of one group stay on one side of a split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self


class InGroup:
    """An example, which is a tuple, that may be in a group. The group is no part of the tuple; empty: it is in none."""

    group: str = ""

    def of_group(self, group: str) -> Self:
        self.group = group
        return self


def group_of(example: Any) -> str:
    """The group of an example; empty where it is in none."""
    return example.group if isinstance(example, InGroup) else ""


def named_groups(groups: Iterable[str]) -> list[str] | None:
    """The group of each example; None where none is in a group."""
    names = list(groups)
    return names if any(names) else None
