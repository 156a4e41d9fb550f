"""What is predicted of an example: one of several classes, a set of labels, or a number; as text and as numbers."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from seqloom.data.growth import grown_names
from seqloom.data.labels import Labels
from seqloom.errors import RequestError, SeqloomError, warn
from seqloom.files import write_atomic

TargetKind = Literal["class", "labels", "number"]

JOINED = "\x1f"
"""What stands between the labels of a set that was not text: a list in a cell, or a column for each label."""
SHOWN_SEPARATOR = "|"
_SEPARATORS = (JOINED, "|", ";", ",")
_MANY_NUMBERS = 20


class Targets(ABC):
    """The targets of the training data, learnt from their texts."""

    kind: ClassVar[TargetKind]

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """The labels that can be predicted; none if numbers are."""

    @abstractmethod
    def to_json(self) -> Any: ...

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
        """The numbers of the targets, one after the other; with offsets if their number differs."""

    @abstractmethod
    def batch(self, numbers: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The targets of some examples, as a network's loss takes them: (examples,) ids, (examples, labels) zeros and
        ones, or (examples,) numbers."""

    @abstractmethod
    def after(self, earlier: Targets) -> Targets:
        """These targets, with the labels or the scale of those of an earlier run first."""

    def facts(self) -> dict[str, int]:
        return {"classes": len(self.labels)}

    @abstractmethod
    def check(self, where: str) -> None:
        """Raises RequestError where nothing can be learnt."""

    def save(self, path: Path) -> None:
        write_atomic(path, json.dumps(self.to_json(), ensure_ascii=False, indent=0) + "\n")


@dataclass(frozen=True)
class ClassTargets(Targets):
    """One label for each example."""

    kind = "class"
    classes: Labels

    @property
    def labels(self) -> Labels:
        return self.classes

    def to_json(self) -> Any:
        return self.classes.names

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], None]:
        return np.array(self.classes.ids(texts), dtype=np.int64), None

    def batch(self, numbers: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(numbers)

    def after(self, earlier: Targets) -> Targets:
        return ClassTargets(Labels(grown_names(earlier.labels.names, self.classes.names)))

    def check(self, where: str) -> None:
        self.classes.check_several(where)


@dataclass(frozen=True)
class LabelSets(Targets):
    """Any number of labels for each example, also none. `separator` is what stands between them in a text."""

    kind = "labels"
    known: Labels
    separator: str

    @classmethod
    def learn(cls, texts: Iterable[str], separator: str, where: str) -> LabelSets:
        """With the `separator`, or else the first of | ; , that occurs in a text, or whitespace."""
        counts = Counter(texts)
        mark = separator or next((mark for mark in _SEPARATORS if any(mark in text for text in counts)), " ")
        labels = {label for text in counts for label in split_labels(text, mark)}
        return cls(Labels.learn(labels, where), mark)

    @property
    def labels(self) -> Labels:
        return self.known

    def split(self, text: str) -> tuple[str, ...]:
        """The labels of a text, each once."""
        return split_labels(text, self.separator)

    def join(self, labels: Iterable[str]) -> str:
        """The labels as one text that can be read again."""
        return (SHOWN_SEPARATOR if self.separator == JOINED else self.separator).join(labels)

    def to_json(self) -> Any:
        return {"labels": self.known.names, "separator": self.separator}

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Labels that are not in the training data are left out: no output of a network is about them."""
        ids = [[i for i in self.known.ids(self.split(text)) if i >= 0] for text in texts]
        offsets = np.cumsum([0, *map(len, ids)])
        return np.array([i for row in ids for i in row], dtype=np.int64), offsets

    def batch(self, numbers: Sequence[NDArray[Any]]) -> NDArray[Any]:
        targets = np.zeros((len(numbers), len(self.known)), np.float32)
        for row, ids in enumerate(numbers):
            targets[row, ids] = 1
        return targets

    def after(self, earlier: Targets) -> Targets:
        return LabelSets(Labels(grown_names(earlier.labels.names, self.known.names)), self.separator)

    def check(self, where: str) -> None:
        if not len(self.known):
            raise RequestError("no example has a label", where=where, expected="labels, separated by a mark")


@dataclass(frozen=True)
class Numbers(Targets):
    """A number for each example. `mean` and `scale`: mean and standard deviation in the training data."""

    kind = "number"
    mean: float
    scale: float

    @classmethod
    def learn(cls, texts: Iterable[str], where: str) -> Numbers:
        values = np.array([parse_target(text, where) for text in texts])
        scale = float(values.std())
        if not scale > 0:
            raise RequestError(
                "there is nothing to predict", where=where, got=f"only the number {values[0]:g}",
                expected="different numbers",
            )  # fmt: skip
        return cls(float(values.mean()), scale)

    @property
    def labels(self) -> Labels:
        return Labels(())

    def to_json(self) -> Any:
        return {"mean": self.mean, "scale": self.scale}

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], None]:
        return np.array([parse_target(text, "the targets") for text in texts], dtype=np.float64), None

    def batch(self, numbers: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(numbers).astype(np.float32)

    def after(self, earlier: Targets) -> Targets:
        return earlier

    def facts(self) -> dict[str, int]:
        return {}

    def check(self, where: str) -> None: ...


def read_targets(path: Path) -> Targets:
    """The targets that a run saved. Raises RequestError where the file is damaged."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(saved, dict) and "mean" in saved:
            return Numbers(_finite(saved["mean"]), _finite(saved["scale"]))
        if isinstance(saved, dict):
            return LabelSets(Labels(tuple(map(str, saved["labels"]))), str(saved["separator"]))
        return ClassTargets(Labels(tuple(map(str, saved))))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RequestError("the labels could not be read", where=str(path), got=str(error)) from None


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"not a number: {value!r}")
    return float(value)


def learn_targets(texts: Iterable[str], kind: TargetKind, separator: str, where: str) -> Targets:
    if kind == "labels":
        return LabelSets.learn(texts, separator, where)
    if kind == "number":
        return Numbers.learn(texts, where)
    counts = Counter(texts)
    _warn_of_another_kind(counts, where)
    return ClassTargets(Labels.learn(counts, where))


def _warn_of_another_kind(counts: Counter[str], where: str) -> None:
    """Warns of classes that look like numbers to predict, or like sets of labels."""
    if look_like_numbers(counts):
        warn(
            f"the {len(counts):,} classes are numbers", where=where, expected="names of classes",
            hint="to predict a number: --set target=number",
        )  # fmt: skip
    elif mark := separator_of_sets(counts):
        warn(
            f"the classes look like sets of labels, separated by {mark!r}", where=where, got=f"{len(counts):,} classes",
            hint="to predict several labels for an example: --set target=labels",
        )  # fmt: skip


def look_like_numbers(counts: Counter[str]) -> bool:
    """Whether there are many different labels, all of them numbers, and most are rare or have a decimal point."""
    are_measured = counts.total() < 10 * len(counts) or sum("." in text for text in counts) > len(counts) / 2
    return len(counts) > _MANY_NUMBERS and are_measured and all(map(_is_finite, counts))


def separator_of_sets(counts: Counter[str]) -> str:
    """The mark that separates labels, if most texts of labels are combinations of the same few; else nothing."""
    for mark in _SEPARATORS:
        combined = {text for text in counts if mark in text}
        parts = Counter(part for text in combined for part in split_labels(text, mark))
        if len(combined) >= max(3, len(counts) / 2) and 0 < len(parts) < len(combined) and min(parts.values()) > 1:
            return mark
    return ""


def split_labels(text: str, separator: str) -> tuple[str, ...]:
    """The labels in a text, each once, in order; whitespace around them is dropped."""
    parts = text.split() if separator == " " else text.split(separator)
    return tuple(dict.fromkeys(filter(None, map(str.strip, parts))))


def parse_target(text: str, where: str) -> float:
    """A target that is a number. Raises SeqloomError for anything else."""
    if not _is_finite(text):
        raise SeqloomError(
            "the target is not a number", where=where, got=text[:80], expected="a number, such as 3.5",
            hint="to predict classes: --set target=class",
        )  # fmt: skip
    return float(text)


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
