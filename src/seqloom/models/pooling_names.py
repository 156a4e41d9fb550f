"""The names of the pooling methods, which `sentence_vectors.poolings` implements, without importing torch."""

from __future__ import annotations

from typing import Final

from seqloom.errors import unknown_name

AUTO: Final = "auto"
"""The pooling method that a task selects for its models."""

POOLINGS: Final = ("word-mean", "word-sum", "last", "mean", "max")


def check_pooling(pooling: str) -> None:
    """Raises RequestError for an unknown name."""
    if pooling not in (AUTO, *POOLINGS):
        raise unknown_name("pooling", pooling, [AUTO, *POOLINGS], where="pooling")
