"""An example of classification: a label, and the text or numbers that it belongs to."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.groups import InGroup

Frames = NDArray[np.float32]
"""(time, channels): a sequence of numbers. A single vector is one step with many channels."""

Source = str | Frames


class Labelled(NamedTuple):
    label: str
    source: Source


class GroupedText(InGroup, Labelled):
    """A labelled text that may be in a group."""


def content(source: Source) -> str:
    """A text that is equal for equal sources, whatever their labels. The split of a file depends on it."""
    if isinstance(source, str):
        return source
    return f"{source.shape} {hashlib.sha256(source.tobytes()).hexdigest()}"
