"""The names of the ways to one vector for a sequence. What they are is `sentence_vectors.poolings`."""

from __future__ import annotations

from typing import Final

from seqloom.errors import unknown_name

AUTO: Final = "auto"
"""The pooling that a task finds best for its models."""

POOLINGS: Final = ("word-mean", "word-sum", "last", "mean", "max")


def check_pooling(pooling: str) -> None:
    """Raises RequestError where there is none of this name."""
    if pooling not in (AUTO, *POOLINGS):
        raise unknown_name("pooling", pooling, [AUTO, *POOLINGS], where="pooling")
