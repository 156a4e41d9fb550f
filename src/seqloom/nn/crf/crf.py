"""A linear-chain conditional random field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqloom.nn.crf.chain import Chain, best_path, log_partition, path_score, real_steps

ILLEGAL = -20.0
"""Added to the score of an illegal transition in the log-partition, which makes it e^20 times less probable. A larger
penalty would make the loss of a sentence with an illegal annotation arbitrarily large."""

NEVER = -1e4
"""Added to the score of an illegal transition on the best path."""


class CRF(nn.Module):
    """p(tags | x) = exp(score(x, tags)) / Z(x), where score(x, y) is the sum of the emissions e_t(y_t) and of the
    transitions A(y_{t-1}, y_t), including one into the first tag and one out of the last (Lafferty et al. 2001;
    Collobert et al. 2011, equations 11 to 16; Lample et al. 2016, equation 1).

    `legal` (tags + 1, tags + 1) is True for a transition (from, to) that is allowed; its last row for the first tags,
    its last column for the last tags.
    """

    def __init__(self, legal: Bool[Tensor, "from to"]) -> None:
        super().__init__()
        self.num_tags = len(legal) - 1
        self.first, self.last = (nn.Parameter(torch.zeros(self.num_tags)) for _ in range(2))
        self.moves = nn.Parameter(torch.zeros(self.num_tags, self.num_tags))
        self.legal: Tensor
        self.register_buffer("legal", legal)

    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The transitions between earlier tags stay legal or illegal; the last row and column stay the last."""
        if "legal" not in earlier:
            return {}
        before = earlier["legal"]
        places = torch.tensor([*range(len(before) - 1), len(self.legal) - 1])
        legal = self.legal.clone()
        legal[places[:, None], places] = before
        return {"legal": legal}

    def chain(self, illegal: float) -> Chain:
        """The scores of transitions, with `illegal` added to those that are not allowed."""
        penalty = (~self.legal).to(self.moves.dtype) * illegal
        return Chain(self.first + penalty[-1, :-1], self.moves + penalty[:-1, :-1], self.last + penalty[:-1, -1])

    def loss(
        self,
        emissions: Float[Tensor, "batch time tags"],
        tags: Int[Tensor, "batch time"],
        known: Bool[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """-log p(tags) in nats, summed over the rows. Where a tag is not `known`, the probability is that of all paths
        through the known tags."""
        emissions, chain = _precise(emissions), self.chain(ILLEGAL)
        real = real_steps(emissions, lengths)
        log_z = log_partition(emissions, chain, lengths).sum()
        if bool((known | ~real).all()):
            return log_z - path_score(emissions, tags.clamp(min=0), chain, lengths).sum()
        others = torch.ones_like(emissions, dtype=torch.bool).scatter(2, tags.clamp(min=0)[:, :, None], False)
        constrained = emissions.masked_fill(others & known[:, :, None], NEVER)
        return log_z - log_partition(constrained, chain, lengths).sum()

    @torch.no_grad()
    def best(
        self, emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Int[Tensor, "batch time"]:
        """The tags of the best path, which is legal; undefined in padding."""
        return best_path(_precise(emissions), self.chain(NEVER), lengths)

    def probabilities(
        self, emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time tags"]:
        """p(y_t | x), the marginal probability of each tag, which is the gradient of log Z. Without gradients."""
        with torch.enable_grad():
            detached = _precise(emissions.detach()).requires_grad_()
            chain = Chain(*(scores.detach() for scores in self.chain(ILLEGAL)))
            (marginals,) = torch.autograd.grad(log_partition(detached, chain, lengths).sum(), detached)
        return marginals

    @torch.no_grad()
    def mean(self, others: Sequence[CRF]) -> CRF:
        crf = CRF(self.legal)
        for name, parameter in crf.named_parameters():
            parameter.copy_(torch.stack([each.get_parameter(name) for each in (self, *others)]).mean(0))
        return crf.to(self.moves.device)

    @torch.no_grad()
    def step(self, emission: Float[Tensor, " tags"], previous: int | None) -> int:
        """The best tag of one step after the tag `previous` (None at the first step), without the later steps."""
        scores = self.first if previous is None else self.moves[previous]
        legal = self.legal[-1 if previous is None else previous, :-1]
        return int((_precise(emission) + torch.where(legal, scores, scores + NEVER)).argmax())


def _precise(emissions: Tensor) -> Tensor:
    return emissions if emissions.dtype == torch.float64 else emissions.float()
