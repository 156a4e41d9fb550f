"""Noise in the training data of a language model that smooths it as Kneser-Ney smoothing does an n-gram model (Xie et
al. 2017, "Data noising as smoothing in neural network language models": bigram Kneser-Ney noising)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch, Loader
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD, SOS

_TOKENS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class NoisedLoader:
    """The batches of `loader`, in which some tokens and their targets are others, drawn at random.

    A token x is replaced at the rate `amount` N1+(x ·) / c(x), so most often if almost every time another token follows
    it; the new token, and a new target with it, are drawn in proportion to N1+(· y), the number of tokens that y
    follows. The ends of lines and padding stay. The noise of a batch is a function of the seed, the epoch and the step.
    """

    loader: Loader
    tokens: TokenFile
    """The training text, whose pairs of tokens are counted for the first batch."""
    amount: float
    seed: int
    vocab_size: int

    def num_steps(self, epoch: int) -> int:
        return self.loader.num_steps(epoch)

    def batch(self, epoch: int, step: int) -> Batch:
        batch = self.loader.batch(epoch, step)
        rates, sums = self._rates_and_sums
        rng = np.random.default_rng((self.seed, epoch, step))
        replaced = rng.random(batch.inputs.shape) < rates[batch.inputs.numpy()]
        stays = ~torch.from_numpy(replaced)
        ends = batch.targets == EOS
        return batch._replace(
            inputs=torch.where(stays, batch.inputs, _draw(rng, sums, batch.inputs.shape)),
            targets=torch.where(stays | ends, batch.targets, _draw(rng, sums, batch.targets.shape)),
        )

    @cached_property
    def _rates_and_sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(vocab,) each: the rates at which tokens are replaced; the probabilities of drawing a token, or one with a
        smaller id."""
        followers, predecessors = distinct_neighbours(self.tokens, self.vocab_size)
        for counts in (followers, predecessors):
            counts[[PAD, SOS, EOS]] = 0
        rates = self.amount * followers / np.maximum(self.tokens.counts(self.vocab_size), 1)
        return rates, np.cumsum(predecessors / max(predecessors.sum(), 1))


def _draw(rng: np.random.Generator, sums: NDArray[np.float64], shape: tuple[int, ...]) -> Tensor:
    """Tokens at random. Rounding may leave the last sum below 1."""
    return torch.from_numpy(np.searchsorted(sums, rng.random(shape) * sums[-1], side="right"))


def distinct_neighbours(tokens: TokenFile, vocab_size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(vocab,): the numbers of distinct tokens that follow each token, and that each token follows."""
    pairs = np.zeros(0, np.int64)
    for start in range(0, len(tokens), _TOKENS_AT_ONCE):
        part = tokens.read(start, start + _TOKENS_AT_ONCE + 1).astype(np.int64)
        pairs = np.union1d(pairs, part[:-1] * vocab_size + part[1:])
    first, second = np.divmod(pairs, vocab_size)
    followers, predecessors = (np.bincount(ids, minlength=vocab_size).astype(np.float64) for ids in (first, second))
    return followers, predecessors
