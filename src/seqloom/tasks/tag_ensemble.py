"""Which taggers go together in an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seqloom.data.tagged import TagCodec
from seqloom.errors import RequestError
from seqloom.models.tag_ensemble import TagEnsemble
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.ensembles import check_shared_codec


def tag_ensemble(members: Sequence[Trained]) -> Trained:
    """The ensemble of taggers. Raises RequestError unless all have the same vocabularies, tags and kind of output."""
    check_shared_codec([_without_auxiliary_columns(member) for member in members], "words and tags")
    kinds = [type(member.model.output).__name__.removeprefix("Tag").lower() for member in members]
    for number, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise RequestError(
                "the runs of an ensemble must have one kind of output", where=f"ensemble, run {number}", got=kind,
                expected=kinds[0],
            )  # fmt: skip
    return members[0]._replace(model=TagEnsemble([member.model for member in members]).eval())


def _without_auxiliary_columns(member: Trained) -> Trained:
    """They are for the training only."""
    codec = member.codec
    return member._replace(codec=replace(codec, auxiliary=())) if isinstance(codec, TagCodec) else member
