"""An example of classification: a label, and the text or numbers that it belongs to."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
"""(time, channels): a sequence of numbers. A single vector is one step with many channels."""

Source = str | Frames


class Labelled(NamedTuple):
    label: str
    source: Source


class GroupedText(Labelled):
    """A labelled text of a group, which is no part of it as a tuple: those of one group stay on one side of a split."""

    group = ""

    @classmethod
    def of(cls, label: str, text: str, group: str) -> GroupedText:
        example = cls(label, text)
        example.group = group
        return example


def content(source: Source) -> str:
    """A text that is equal for equal sources, whatever their labels. The split of a file depends on it."""
    if isinstance(source, str):
        return source
    return f"{source.shape} {hashlib.sha256(source.tobytes()).hexdigest()}"
