"""A conditional random field along a chain: which tag follows which, learnt together with what is seen."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqloom.nn.crf.chain import Chain, best_path, log_partition, path_score, real_steps

ILLEGAL = -20.0
"""What an illegal transition scores besides, in the sum over paths: e^-20 of the probability of a legal one. Not less,
so that a sentence whose annotation is illegal costs much, and not without end."""

NEVER = -1e4
"""The same on the best path."""


class CRF(nn.Module):
    """p(tags | x) = exp(score(x, tags)) / Z(x), where score(x, y) is the sum of the emissions e_t(y_t) and of the
    transitions A(y_{t-1}, y_t), a first and a last one included (Lafferty et al. 2001; Collobert et al. 2011, equations
    11 to 16; Lample et al. 2016, equation 1).

    `legal` (tags + 1, tags + 1) says what may follow what; its last row what may come first, its last column what may
    come last.
    """

    def __init__(self, legal: Bool[Tensor, "from to"]) -> None:
        super().__init__()
        self.num_tags = len(legal) - 1
        self.first, self.last = (nn.Parameter(torch.zeros(self.num_tags)) for _ in range(2))
        self.moves = nn.Parameter(torch.zeros(self.num_tags, self.num_tags))
        self.legal: Tensor
        self.register_buffer("legal", legal)

    def chain(self, illegal: float) -> Chain:
        """The transitions, those that are not legal with `illegal` added."""
        penalty = (~self.legal).to(self.moves.dtype) * illegal
        return Chain(self.first + penalty[-1, :-1], self.moves + penalty[:-1, :-1], self.last + penalty[:-1, -1])

    def loss(
        self,
        emissions: Float[Tensor, "batch time tags"],
        tags: Int[Tensor, "batch time"],
        known: Bool[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """-log p(tags) in nats, summed over the rows. Where a tag is not `known`, any will do: the sum is over all
        paths through those that are."""
        emissions, chain = _precise(emissions), self.chain(ILLEGAL)
        real = real_steps(emissions, lengths)
        whole = log_partition(emissions, chain, lengths).sum()
        if bool((known | ~real).all()):
            return whole - path_score(emissions, tags.clamp(min=0), chain, lengths).sum()
        others = torch.ones_like(emissions, dtype=torch.bool).scatter(2, tags.clamp(min=0)[:, :, None], False)
        held = emissions.masked_fill(others & known[:, :, None], NEVER)
        return whole - log_partition(held, chain, lengths).sum()

    @torch.no_grad()
    def best(
        self, emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Int[Tensor, "batch time"]:
        """The tags of the best path, which is legal; what stands in padding means nothing."""
        return best_path(_precise(emissions), self.chain(NEVER), lengths)

    def probabilities(
        self, emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time tags"]:
        """p(y_t | x), the sum over all paths that have the tag there: the gradient of log Z. Keeps no gradients."""
        with torch.enable_grad():
            seen = _precise(emissions.detach()).requires_grad_()
            chain = Chain(*(scores.detach() for scores in self.chain(ILLEGAL)))
            (found,) = torch.autograd.grad(log_partition(seen, chain, lengths).sum(), seen)
        return found

    @torch.no_grad()
    def step(self, emission: Float[Tensor, " tags"], before: int | None) -> int:
        """The best tag here, after the one that was decided `before` (None: nothing was), whatever will come."""
        chain = self.chain(NEVER)
        return int((_precise(emission) + (chain.first if before is None else chain.moves[before])).argmax())


def _precise(emissions: Tensor) -> Tensor:
    return emissions if emissions.dtype == torch.float64 else emissions.float()
