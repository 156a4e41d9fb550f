"""Ensembles of taggers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.data.batches import Forms
from seqloom.models.tagger import EmitsTags, SequenceTagger


class TagEnsemble(EmitsTags):
    """p(tags | x) proportional to the geometric mean of the p(tags | x) of taggers of the same words and tags: a
    product of experts (Hinton 2002). The most probable sequence is found as exactly as that of one tagger."""

    def __init__(self, taggers: Sequence[SequenceTagger]) -> None:
        super().__init__()
        self.taggers = nn.ModuleList(taggers)
        first, *others = (tagger.output for tagger in taggers)
        self.output = first.mean(others)

    def forward(
        self, inputs: Tensor, forms: Forms | None = None, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time tags"]:
        """The mean of the emissions."""
        return torch.stack([tagger(inputs, forms, lengths).float() for tagger in self.taggers]).mean(0)
