"""The n-gram language model, fitted by counting."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from seqloom.config import Settings, needs
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import PAD
from seqloom.errors import RequestError
from seqloom.models.counted import CountBased
from seqloom.models.ngram import prefetched_scoring, query
from seqloom.models.ngram.counting import count
from seqloom.models.ngram.estimate import Method, Smoothing, estimate
from seqloom.models.ngram.interpolation import best_weight, interpolated
from seqloom.models.ngram.pruning import pruned_by_count, pruned_by_entropy
from seqloom.models.ngram.store import MAX_ORDER, Store
from seqloom.models.ngram.trie import link_suffixes
from seqloom.nn.layer import State
from seqloom.processors import over_ranges

_LN_10 = math.log(10)
_LINES_WORTH_A_THREAD = 1 << 10


class NgramSettings(Settings):
    order: int = Field(5, ge=1, le=MAX_ORDER, description="words in the longest n-gram")
    smoothing: Smoothing = Field(
        "kneser-ney",
        description="kneser-ney (interpolated, modified), absolute, witten-bell, add-k or maximum-likelihood",
    )
    k: float = Field(
        1.0,
        gt=0,
        le=1e9,
        description="add-k: the number added to each count",
        json_schema_extra=needs(smoothing=["add-k"]),
    )
    prune: tuple[int, ...] = Field(
        (),
        description="counts up to which n-grams are pruned, by length; [0, 0, 1]: those with count 1, from trigrams on",
    )
    entropy_threshold: float = Field(
        0.0, ge=0, description="n-grams that change the perplexity by a smaller share are pruned (Stolcke 1998)"
    )
    merge: str = Field(
        "", description="an n-gram run to interpolate the new model with; the weight is fitted on the validation data"
    )
    memory_megabytes: int = Field(
        2_000, ge=1, description="MB of memory for counting; if it needs more, it sorts parts of the text on disk"
    )


class NgramModel(CountBased):
    """An n-gram model: smoothed counts of words after their preceding words."""

    description = "An n-gram model: counts of n-grams, smoothed by modified Kneser-Ney."
    source = "Chen and Goodman 1998"
    settings = NgramSettings

    def __init__(self, settings: NgramSettings) -> None:
        super().__init__()
        _check_thresholds(settings)
        self.config = settings
        self._store: Store | None = None

    @classmethod
    def of(cls, store: Store) -> NgramModel:
        model = cls(NgramSettings(order=store.order))
        model._store = store
        return model

    @property
    def store(self) -> Store:
        assert self._store is not None, "the model must be fitted or opened first"
        return self._store

    def estimate(self, train: TokenFile, valid: TokenFile | None, vocab_size: int) -> None:
        """Counts the n-grams and estimates the model. A text that does not fit in memory is sorted in parts on disk."""
        settings = self.config
        counted = count(train, settings.order, vocab_size, settings.memory_megabytes << 20)
        link_suffixes(counted.trie)
        method = Method(settings.smoothing, settings.k, settings.prune)
        estimates = estimate(counted, method)
        if any(settings.prune):
            estimates = pruned_by_count(estimates, counted.counts, method)
        del counted
        if settings.entropy_threshold:
            estimates = pruned_by_entropy(estimates, settings.entropy_threshold)
        self._store = Store.of(estimates)
        if settings.merge:
            earlier = Store.open(Path(settings.merge) / "model.safetensors")
            weight = best_weight(earlier, self._store, valid) if valid is not None else 0.5
            print(f"model.merge: the weight of {settings.merge} is {weight:.3f}", file=sys.stderr)
            self._store = interpolated(earlier, self._store, weight)

    def save(self, folder: Path) -> None:
        self.store.save(folder / "model.safetensors", {"format": "seqloom n-gram 1"})

    def open(self, folder: Path) -> None:
        self._store = Store.open(folder / "model.safetensors")

    @property
    def vocab_size(self) -> int:
        return self.store.vocab_size

    def data_sizes(self) -> dict[str, int]:
        return {"vocab_size": self.vocab_size}

    def num_parameters(self) -> int:
        """The number of probabilities and back-off weights."""
        return len(self.store.log_probs) + len(self.store.backoffs)

    def initial_state(self, batch_size: int) -> State:
        """(batch, order - 1): the last words read; <pad> before the first word."""
        return (torch.full((batch_size, self.store.order - 1), PAD),)

    def next_log_probs(
        self, token_ids: Int[Tensor, "batch time"], state: State
    ) -> tuple[Float[Tensor, "batch vocab"], State]:
        after = self._after(token_ids.cpu(), state, None)
        before, out = after[0].numpy(), np.empty((len(token_ids), self.store.vocab_size), np.float32)
        query.distributions(self.store, before, out, 0, len(out))
        out *= np.float32(_LN_10)
        return torch.from_numpy(out), after

    def log_prob(
        self,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time"], State]:
        inputs, expected = token_ids.cpu().numpy(), targets.cpu().numpy()
        before = state[0].cpu().numpy()
        out = np.empty(inputs.shape, np.float32)
        over_ranges(
            len(out), lambda first, last: query.score_steps(self.store, before, inputs, expected, out, first, last)
        )
        out *= np.float32(_LN_10)
        return torch.from_numpy(out), self._after(token_ids.cpu(), state, lengths)

    def line_scores(
        self, ids: NDArray[np.uint32], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """For each line `ids[offsets[i]:offsets[i + 1]]` (<eos> last): its log-probability in nats, its number of
        tokens and its number of unknown words."""
        totals, unknown = np.empty(len(offsets) - 1), np.empty(len(offsets) - 1, np.int64)

        def work(first: int, last: int) -> None:
            prefetched_scoring.score_lines(self.store, ids, offsets, totals, unknown, first, last)

        over_ranges(len(totals), work, _LINES_WORTH_A_THREAD)
        return totals * _LN_10, np.diff(offsets), unknown

    def _after(self, token_ids: Tensor, state: State, lengths: Tensor | None) -> State:
        """The last words of each row, including those of the previous state."""
        width = self.store.order - 1
        history = torch.cat([state[0].cpu(), token_ids], dim=1)
        if lengths is None:
            return (history[:, history.shape[1] - width :].contiguous(),)
        # Row i ends at its own length, so its state is the `width` words before that.
        places = lengths.cpu()[:, None] + torch.arange(width)
        return (history.gather(1, places),)


def _check_thresholds(settings: NgramSettings) -> None:
    """A longer n-gram is never more frequent than the n-grams in it, so a lower threshold for it would prune
    nothing."""
    prune = settings.prune
    if any(count < 0 for count in prune) or list(prune) != sorted(prune) or (prune and prune[0]):
        raise RequestError(
            "the pruning thresholds must begin with 0, for words, and must not decrease",
            where="model.prune",
            got=list(prune),
            expected="as [0, 0, 1]",
            hint="rare words become <unk> by tokenizer.min_count" if prune and prune[0] else None,
        )
    if len(prune) > settings.order:
        raise RequestError(
            "more thresholds than orders", where="model.prune", got=list(prune), expected=f"at most {settings.order}"
        )
