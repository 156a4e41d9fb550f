"""Output layers of a tagger: their contract, which a CRF fulfils, and a softmax that treats each step separately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

EXCLUDED = -1e6
"""The emission of a tag other than the known one: far below every illegal transition of a CRF."""


def keep_known(
    emissions: Float[Tensor, "batch time tags"], known: Int[Tensor, "batch time"]
) -> Float[Tensor, "batch time tags"]:
    """The emissions from which only the `known` tag of a step can follow; where it is -1, every tag can."""
    others = torch.ones_like(emissions, dtype=torch.bool).scatter(2, known.clamp(min=0)[:, :, None], False)
    return emissions.float().masked_fill(others & (known >= 0)[:, :, None], EXCLUDED)


@runtime_checkable
class TagOutput(Protocol):
    """`emissions` are unnormalised scores. All but `loss` run without gradients; results in padding are undefined."""

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
        """The probability of every tag at each step."""
        ...

    def step(self, emission: Float[Tensor, " tags"], previous: int | None) -> int:
        """The tag of one step, given the previous tag (None at the first step)."""
        ...

    def mean(self, others: Sequence[Any]) -> TagOutput:
        """The output layer which, with the mean of all emissions, gives p(tags | x) proportional to the geometric mean
        of the p(tags | x) of this output layer and the `others` of the same kind."""
        ...


def most_probable(
    output: TagOutput,
    emissions: Float[Tensor, "batch time tags"],
    lengths: Int[Tensor, " batch"] | None,
    known: Int[Tensor, "batch time"] | None,
) -> tuple[Int[Tensor, "batch time"], Float[Tensor, "batch time"]]:
    """The most probable tags, and the probability of each, given the `known` tags (-1 where a tag is not known)."""
    if known is not None:
        emissions = keep_known(emissions, known)
    tags = output.best(emissions, lengths)
    probabilities = output.probabilities(emissions, lengths)
    return tags, probabilities.gather(2, tags[:, :, None]).squeeze(2)


class TagSoftmax(nn.Module):
    """p(tags | x) is the product of the softmax at each step."""

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
    def step(self, emission: Float[Tensor, " tags"], previous: int | None) -> int:  # noqa: ARG002
        return int(emission.argmax())

    def mean(self, others: Sequence[TagSoftmax]) -> TagSoftmax:  # noqa: ARG002  # all is in the emissions
        return self
