"""What turns the scores of tags at each step into tags. A CRF is one; the softmax here takes every step on its own."""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class TagOutput(Protocol):
    """`emissions` are scores, not normalised. Of what is asked for after training none keeps gradients, and what
    stands in padding means nothing."""

    def loss(
        self,
        emissions: Float[Tensor, "batch time tags"],
        tags: Int[Tensor, "batch time"],
        known: Bool[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """-log p of the tags that are `known`, in nats, summed."""
        ...

    def best(
        self, emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Int[Tensor, "batch time"]:
        """The most probable tags."""
        ...

    def probabilities(
        self, emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time tags"]:
        """Those of every tag at each step."""
        ...

    def step(self, emission: Float[Tensor, " tags"], before: int | None) -> int:
        """The tag of one step, given the one that was decided before it (None: it is the first)."""
        ...


class TagSoftmax(nn.Module):
    """p(tags | x) as the product of a softmax at each step."""

    def loss(
        self,
        emissions: Float[Tensor, "batch time tags"],
        tags: Int[Tensor, "batch time"],
        known: Bool[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,  # noqa: ARG002
    ) -> Float[Tensor, ""]:
        return F.cross_entropy(emissions[known], tags[known], reduction="sum")

    @torch.no_grad()
    def best(
        self,
        emissions: Float[Tensor, "batch time tags"],
        lengths: Int[Tensor, " batch"] | None = None,  # noqa: ARG002
    ) -> Int[Tensor, "batch time"]:
        return emissions.argmax(2)

    @torch.no_grad()
    def probabilities(
        self,
        emissions: Float[Tensor, "batch time tags"],
        lengths: Int[Tensor, " batch"] | None = None,  # noqa: ARG002
    ) -> Float[Tensor, "batch time tags"]:
        return emissions.softmax(2)

    @torch.no_grad()
    def step(self, emission: Float[Tensor, " tags"], before: int | None) -> int:  # noqa: ARG002
        return int(emission.argmax())
