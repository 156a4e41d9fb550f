"""Full and adaptive softmax over the vocabulary, and their cross-entropy, computed one block of rows at a time."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings, needs
from seqloom.errors import RequestError
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.matrix_product import Linear, kept_transpose, product, product_into

FEW_TOKENS = 1_000
"""With at most this number of distinct tokens, a target is right or wrong as a whole; with more, it is text."""

_ADAPTIVE_FROM = 4_000
_BLOCK_ELEMENTS = 1 << 20


class OutputSettings(Settings):
    kind: Literal["auto", "full", "adaptive"] = Field(
        "auto",
        description="full or adaptive softmax (full for 64 tokens or fewer); auto: adaptive from 4,000 tokens on",
    )
    cutoffs: tuple[int, ...] = Field(
        (), description="adaptive softmax: the first id of each cluster; empty: those with the fewest multiplications",
        json_schema_extra=needs(kind=["adaptive", "auto"]),
    )  # fmt: skip
    tied: bool = Field(True, description="tie the output weights to the embedding")
    skip_connection: bool = Field(
        False, description="skip connection: the output layer also reads the embedding of the last token"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of variational dropout before the output layer")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = Field(
        0.0,
        description="label smoothing: share of a target's probability that is spread over all tokens; auto: 0.1 where "
        "the vocabulary has more than 1,000 tokens; with fewer (letters, phonemes) one target is right",
    )

    def smoothing(self, vocab_size: int) -> float:
        """The label smoothing for a vocabulary of this size."""
        if self.label_smoothing == "auto":
            return 0.1 if vocab_size > FEW_TOKENS else 0.0
        return self.label_smoothing


PruningThreshold = Callable[[Float[Tensor, "rows frequent"]], Float[Tensor, " rows"]]
"""Maps the log-probabilities of the frequent tokens to a value for each row below which tokens are not needed."""


class Output(nn.Module):
    """A distribution over `vocab_size` tokens for a hidden state. `weight` (vocab, hidden) may be that of an embedding.

    `counts` are the frequencies of the tokens in training. The bias is initialised with their logarithm, so that an
    untrained model is a unigram model.
    `label_smoothing` applies to the training loss of each softmax that predicts a token.
    """

    def __init__(self, weight: nn.Parameter, counts: NDArray[np.int64], label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.weight, self.label_smoothing = weight, label_smoothing
        self.bias = nn.Parameter(torch.log(_shares(counts)).float())

    @property
    def vocab_size(self) -> int:
        return len(self.bias)

    @property
    def smoothing(self) -> float:
        """The label smoothing in training; 0 in evaluation."""
        return self.label_smoothing if self.training else 0.0

    def _right_factor(self, hidden: Float[Tensor, "rows hidden"]) -> Float[Tensor, "hidden vocab"]:
        """The transposed weight, in the memory order in which its product with `hidden` is fastest."""
        transpose = kept_transpose(self.weight, hidden)
        return self.weight.t() if transpose is None else transpose

    @abstractmethod
    def loss(self, hidden: Float[Tensor, "rows hidden"], targets: Int[Tensor, " rows"]) -> Float[Tensor, ""]:
        """The summed cross-entropy, in nats; with label smoothing in training."""

    @abstractmethod
    def log_prob(self, hidden: Float[Tensor, "rows hidden"], targets: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """The log-probability of each target, in nats; without gradients."""

    @abstractmethod
    def log_probs(
        self, hidden: Float[Tensor, "rows hidden"], threshold: PruningThreshold | None = None
    ) -> Float[Tensor, "rows vocab"]:
        """The log-probabilities of all tokens, in nats, without gradients; those below `threshold` may be -inf."""


class FullSoftmax(Output):
    """One softmax over the vocabulary."""

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return summed_cross_entropy(hidden, self.weight, self.bias, targets, self.smoothing)

    @torch.no_grad()
    def log_prob(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return _log_prob(hidden, self.weight, self.bias, targets)

    @torch.no_grad()
    def log_probs(self, hidden: Tensor, threshold: PruningThreshold | None = None) -> Tensor:  # noqa: ARG002
        return _logits(hidden, self._right_factor(hidden), self.bias).log_softmax(1)


class AdaptiveSoftmax(Output):
    """A head with the frequent tokens and one entry for each cluster of rarer tokens; each cluster has a softmax of its
    own (Grave et al. 2017, but with tails of full dimension, so that they can be tied).

    Token ids must be in order of falling frequency. The cutoffs minimise the expected number of multiplications.
    """

    def __init__(
        self,
        weight: nn.Parameter,
        counts: NDArray[np.int64],
        label_smoothing: float = 0.0,
        cutoffs: Sequence[int] = (),
    ) -> None:
        super().__init__(weight, counts, label_smoothing)
        shares = _shares(counts)
        if cutoffs and not all(0 < a < b for a, b in itertools.pairwise([*cutoffs, len(counts)])):
            raise RequestError(
                "the cutoffs do not divide the vocabulary",
                where="output.cutoffs",
                got=list(cutoffs),
                expected=f"rising numbers from 1 to {len(counts) - 1:,}",
            )
        self.cutoffs = list(cutoffs) or best_cutoffs(counts)
        self.sizes = np.diff([0, *self.cutoffs, len(counts)]).tolist()
        clusters = torch.stack([part.sum() for part in torch.split(shares, self.sizes)[1:]])
        self.cluster_weight = nn.Parameter(torch.zeros(len(clusters), weight.shape[1]))
        self.cluster_bias = nn.Parameter(clusters.log().float())

    def _parts(self) -> tuple[tuple[Tensor, Tensor], list[tuple[Tensor, Tensor]]]:
        """The weight and bias of the head, and of each tail."""
        (weight, *weights), (bias, *biases) = torch.split(self.weight, self.sizes), torch.split(self.bias, self.sizes)
        head = torch.cat([weight, self.cluster_weight]), torch.cat([bias, self.cluster_bias])
        return head, list(zip(weights, biases, strict=True))

    def _route(self, targets: Tensor) -> tuple[Tensor, list[tuple[Tensor, int]]]:
        """The target in the head, and for each tail the rows whose targets are in it, and its first id."""
        in_head, tails = targets.clone(), []
        for cluster, (first, last) in enumerate(itertools.pairwise([*self.cutoffs, self.vocab_size])):
            rows = ((targets >= first) & (targets < last)).nonzero().squeeze(1)
            in_head[rows] = self.cutoffs[0] + cluster
            tails.append((rows, first))
        return in_head, tails

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        head, parts = self._parts()
        in_head, tails = self._route(targets)
        total = summed_cross_entropy(hidden, *head, in_head, self.smoothing)
        for (weight, bias), (rows, first) in zip(parts, tails, strict=True):
            if len(rows):
                total = total + summed_cross_entropy(hidden[rows], weight, bias, targets[rows] - first, self.smoothing)
        return total

    @torch.no_grad()
    def log_prob(self, hidden: Tensor, targets: Tensor) -> Tensor:
        head, parts = self._parts()
        in_head, tails = self._route(targets)
        scores = _log_prob(hidden, *head, in_head)
        for (weight, bias), (rows, first) in zip(parts, tails, strict=True):
            scores[rows] += _log_prob(hidden[rows], weight, bias, targets[rows] - first)
        return scores

    @torch.no_grad()
    def log_probs(self, hidden: Tensor, threshold: PruningThreshold | None = None) -> Tensor:
        of_frequent, *of_tails = zip(
            torch.split(self._right_factor(hidden), self.sizes, dim=1), torch.split(self.bias, self.sizes), strict=True
        )
        of_clusters = _logits(hidden, self.cluster_weight.t(), self.cluster_bias)
        in_head = torch.cat([_logits(hidden, *of_frequent), of_clusters], dim=1).log_softmax(1)
        log_probs = in_head.new_empty(len(hidden), self.vocab_size)
        frequent, *in_clusters = torch.split(log_probs, self.sizes, dim=1)
        in_frequent, *clusters = torch.split(in_head, [self.sizes[0], *[1] * len(of_tails)], dim=1)
        frequent.copy_(in_frequent)
        limit = None if threshold is None else threshold(in_frequent)
        for columns, cluster, tail in zip(in_clusters, clusters, of_tails, strict=True):
            # No token of a cluster is more probable than the cluster.
            rows = None if limit is None else (cluster[:, 0] >= limit).nonzero()[:, 0]
            if rows is None or len(rows) == len(hidden):
                torch.add(_logits(hidden, *tail).log_softmax(1), cluster, out=columns)
                continue
            columns.fill_(-torch.inf)
            if len(rows):
                columns[rows] = _logits(hidden[rows], *tail).log_softmax(1) + cluster[rows]
        return log_probs


class OutputLayer(nn.Module):
    """Dropout, a projection where a tied embedding has another dimension than what is read, and the softmax.

    With a skip connection, it reads the embedding of the last token beside the hidden vector, so that it learns what
    follows a token without the layers before (the direct connections of Bengio et al. 2003, equation 1; the deep output
    of Bahdanau et al. 2015, section A.2.2).
    """

    def __init__(
        self, hidden_size: int, settings: OutputSettings, counts: NDArray[np.int64], table: nn.Parameter
    ) -> None:
        super().__init__()
        self.dropout, self.skip_connection = VariationalDropout(settings.dropout), settings.skip_connection
        input_size = hidden_size + (table.shape[1] if settings.skip_connection else 0)
        width = table.shape[1] if settings.tied else input_size
        self.project = Linear(input_size, width, bias=False) if width != input_size else nn.Identity()
        weight = table if settings.tied else nn.Parameter(torch.empty(len(counts), width).normal_(std=0.05))
        adaptive = settings.kind == "adaptive" or (settings.kind == "auto" and len(counts) >= _ADAPTIVE_FROM)
        # A vocabulary of a few dozen tokens has no rare tokens to cluster.
        smoothing = settings.smoothing(len(counts))
        self.softmax: Output
        if adaptive and len(counts) > 64:
            self.softmax = AdaptiveSoftmax(weight, counts, smoothing, settings.cutoffs)
        else:
            self.softmax = FullSoftmax(weight, counts, smoothing)

    def forward(
        self,
        hidden: Float[Tensor, "batch time hidden"],
        last_tokens: Float[Tensor, "batch time embedding"] | None = None,
    ) -> Float[Tensor, "batch time width"]:
        """The inputs of the softmax. `last_tokens`: the embedding of the last token before each target, which only a
        skip connection reads."""
        if self.skip_connection:
            assert last_tokens is not None
            hidden = torch.cat([hidden, last_tokens], dim=2)
        return self.project(self.dropout(hidden))


def best_cutoffs(counts: NDArray[np.int64], max_tails: int = 3) -> list[int]:
    """The first ids of the tails that minimise the expected number of rows of the weight matrix in a product.

    Each tail adds half the square root of the vocabulary size, the cost of gathering its rows.
    """
    size = len(counts)
    below = np.concatenate([[0.0], np.cumsum(_shares(counts).numpy())])
    grid = sorted({int(c) for c in np.geomspace(16, size - 1, 24)})

    def cost(cuts: tuple[int, ...]) -> float:
        ends = [*cuts[1:], size]
        tails = sum((below[end] - below[cut]) * (end - cut) for cut, end in zip(cuts, ends, strict=True))
        return cuts[0] + tails + len(cuts) * 0.5 * size**0.5

    choices = [c for n in range(1, max_tails + 1) for c in itertools.combinations(grid, n)]
    best = min(choices, key=cost)
    return list(best)


def _shares(counts: NDArray[np.int64]) -> Tensor:
    """The share of each token, smoothed so that none is zero."""
    smoothed = torch.from_numpy(counts.astype(np.float64)) + 0.1
    return smoothed / smoothed.sum()


def _logits(hidden: Tensor, right: Tensor, bias: Tensor) -> Tensor:
    """hidden @ right + bias, in the precision of `right`."""
    hidden = hidden.to(right.dtype)
    return product(hidden, right, bias) if right.dtype == bias.dtype else hidden @ right + bias


def _log_prob(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    if not len(targets):
        return bias.new_zeros(0)
    parts = [
        _logits(hidden[start:stop], weight.t(), bias).log_softmax(1).gather(1, targets[start:stop, None]).squeeze(1)
        for start, stop in blocks(len(targets), len(bias))
    ]
    return torch.cat(parts)


class SummedCrossEntropy(torch.autograd.Function):
    """The sum over rows of -log softmax(hidden @ weight.T + bias)[target], in nats, and its gradients, in one pass over
    blocks of rows. Products are in hidden's precision, the softmax in float32 or better.

    With `smoothing` e, the target has the probability 1 - e, and e is spread evenly over the vocabulary (Szegedy et al.
    2016, section 7).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            table = weight.to(hidden.dtype)
            total = bias.new_zeros(())
            gradients: tuple[Tensor, ...] = ()
            if any(ctx.needs_input_grad):
                gradients = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
            for start, stop in blocks(len(targets), len(bias)):
                rows, block_targets = hidden[start:stop], targets[start:stop, None]
                logits = product(rows, table.T, bias) if rows.dtype == bias.dtype else (rows @ table.T) + bias
                at_target = logits.gather(1, block_targets)
                peak = logits.amax(1, keepdim=True)
                norm = logits.sub_(peak).exp_().sum(1, keepdim=True)
                total += (peak + norm.log() - at_target * (1 - smoothing)).sum()
                if gradients:
                    grad_hidden, grad_weight, grad_bias = gradients
                    error = logits.div_(norm)
                    error.scatter_add_(
                        1, block_targets, error.new_full((1, 1), smoothing - 1.0).expand_as(block_targets)
                    )
                    grad_bias += error.sum(0)
                    error = error.to(hidden.dtype)
                    product_into(grad_hidden[start:stop], error, table)
                    if error.dtype == weight.dtype:
                        grad_weight.addmm_(error.T, rows)
                    else:
                        grad_weight += error.T @ rows
            if smoothing:
                total -= _smoothing_term(smoothing, hidden, weight, bias, gradients)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        if float(gradient) == 1.0:  # the usual case: the loss was not scaled
            return grad_hidden, grad_weight, grad_bias, None, None
        return grad_hidden * gradient.to(grad_hidden.dtype), grad_weight * gradient, grad_bias * gradient, None, None


def _smoothing_term(
    smoothing: float, hidden: Tensor, weight: Tensor, bias: Tensor, gradients: tuple[Tensor, ...]
) -> Float[Tensor, ""]:
    """`smoothing` times the sum over rows of their mean logit; its gradient is subtracted from `gradients`.

    The mean logit of a row is its product with the mean of `weight`, so the logits are not needed.
    """
    share, total = smoothing / len(bias), hidden.sum(0, dtype=bias.dtype)
    mean = weight.mean(0)
    if gradients:
        grad_hidden, grad_weight, grad_bias = gradients
        grad_hidden -= (smoothing * mean).to(grad_hidden.dtype)
        grad_weight -= share * total
        grad_bias -= share * len(hidden)
    return smoothing * (total @ mean + len(hidden) * bias.mean())


def summed_cross_entropy(
    hidden: Float[Tensor, "rows hidden"],
    weight: Float[Tensor, "vocab hidden"],
    bias: Float[Tensor, " vocab"],
    targets: Int[Tensor, " rows"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """`SummedCrossEntropy` as a function."""
    return cast(Tensor, SummedCrossEntropy.apply(hidden, weight, bias, targets, smoothing))  # type: ignore[no-untyped-call]


def blocks(num_rows: int, width: int) -> list[tuple[int, int]]:
    """The first and last row of each block, so small that its logits, `width` for each row, fit in the cache."""
    size = max(1, _BLOCK_ELEMENTS // width)
    return [(start, min(start + size, num_rows)) for start in range(0, num_rows, size)]
