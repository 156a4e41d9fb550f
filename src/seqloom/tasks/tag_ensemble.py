"""Ensembles of taggers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.data.batches import Forms
from seqloom.data.tagged import TagCodec
from seqloom.errors import RequestError
from seqloom.models.tagger import SequenceTagger
from seqloom.nn.crf.tag_output import TagOutput, most_probable
from seqloom.tasks.capabilities import Trained


class TagEnsemble(nn.Module):
    """p(tags | x) proportional to the geometric mean of the p(tags | x) of taggers of the same words and tags: a
    product of experts (Hinton 2002). The most probable sequence is found as exactly as that of one tagger."""

    def __init__(self, taggers: Sequence[SequenceTagger]) -> None:
        super().__init__()
        self.taggers = nn.ModuleList(taggers)
        first, *others = (tagger.output for tagger in taggers)
        self.output: TagOutput = first.mean(others)

    def forward(
        self, inputs: Tensor, forms: Forms | None = None, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time tags"]:
        """The mean of the emissions."""
        return torch.stack([tagger(inputs, forms, lengths).float() for tagger in self.taggers]).mean(0)

    @torch.no_grad()
    def tag(
        self,
        inputs: Tensor,
        forms: Forms | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        known: Int[Tensor, "batch time"] | None = None,
    ) -> tuple[Int[Tensor, "batch time"], Float[Tensor, "batch time"]]:
        """The most probable tags, and the probability of each, given the `known` tags (-1 where a tag is not known)."""
        return most_probable(self.output, self(inputs, forms, lengths), lengths, known)


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
