"""The names of classes and tags, and their ids."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seqloom.errors import RequestError, warn
from seqloom.files import write_atomic

UNSEEN = -1
"""The id of a label that is not in the training data. It is never predicted and always counts as wrong."""


@dataclass(frozen=True)
class Labels:
    """The labels of the training data in alphabetical order, or those of the run that this one was initialised from and
    then the new ones; the id of a label is its position."""

    names: tuple[str, ...]

    @classmethod
    def learn(cls, labels: Iterable[str], where: str) -> Labels:
        """The distinct labels."""
        names = tuple(sorted(set(labels)))
        warn_of_similar_labels(names, where)
        return cls(names)

    def check_several(self, where: str) -> None:
        """Raises RequestError if there are fewer than two labels."""
        if len(self.names) < 2:
            raise RequestError(
                "there are no classes to distinguish",
                where=where,
                got=f"only the label {self.names[0]!r}" if self.names else "no label at all",
                expected="two different labels or more",
            )

    @classmethod
    def load(cls, path: Path) -> Labels:
        try:
            return cls(tuple(map(str, json.loads(path.read_text(encoding="utf-8")))))
        except (OSError, ValueError, TypeError) as error:
            raise RequestError("the labels could not be read", where=str(path), got=str(error)) from None

    def save(self, path: Path) -> None:
        write_atomic(path, json.dumps(self.names, ensure_ascii=False, indent=0) + "\n")

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def ids(self, labels: Sequence[str]) -> list[int]:
        """The id of each label, `UNSEEN` for unknown ones."""
        return [self._ids.get(label, UNSEEN) for label in labels]


def warn_of_similar_labels(labels: Iterable[str], where: str) -> None:
    """Warns if two labels differ only in case, whitespace or Unicode normalisation."""
    seen: dict[str, str] = {}
    for label in labels:
        composed = " ".join(unicodedata.normalize("NFC", label).split())
        # Single letters of both cases are often meant.
        other = seen.setdefault(composed.casefold() if len(composed) > 1 else composed, label)
        if other != label:
            warn(
                "two labels differ only in case, whitespace or Unicode normalisation",
                where=where,
                got=f"{other!r} and {label!r}",
                expected="one name for each class; they are treated as different classes",
            )
            return
