"""Which taggers go together in an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seqloom.data.tagged import TagCodec
from seqloom.errors import RequestError
from seqloom.models.tag_ensemble import TagEnsemble
from seqloom.tasks.capabilities import Trained


def tag_ensemble(trained: Trained, others: Sequence[Trained]) -> TagEnsemble:
    """The ensemble of taggers. Raises RequestError unless all have the same vocabularies, tags and kind of output."""
    for number, other in enumerate(others, 1):
        where = f"ensemble, run {number}"
        if _inputs_and_tags(other.codec) != _inputs_and_tags(trained.codec):
            raise RequestError(
                "the runs of an ensemble must share their words and tags", where=where,
                hint="train them on the same data with the same settings of the vocabulary and other seeds",
            )  # fmt: skip
        kinds = [type(each.model.output).__name__.removeprefix("Tag").lower() for each in (other, trained)]
        if kinds[0] != kinds[1]:
            raise RequestError(
                "the runs of an ensemble must have one kind of output", where=where, got=kinds[0], expected=kinds[1]
            )
    return TagEnsemble([trained.model, *(other.model for other in others)]).eval()


def _inputs_and_tags(codec: Any) -> tuple[type, str]:
    """What tells whether two taggers read and answer the same; auxiliary columns do not count."""
    shared = replace(codec, auxiliary=()) if isinstance(codec, TagCodec) else codec
    return type(codec), shared.fingerprint()
