"""A linear classifier over the n-grams of a text, weighted by how informative they are: a strong baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.data.tokenizer import EOS, PAD, UNK
from seqloom.errors import RequestError
from seqloom.models.class_model import ClassLogits, ClassModel
from seqloom.models.ngram_features import NGrams, SequenceNGrams, learn_ngrams
from seqloom.models.ngram_union import united
from seqloom.models.target_outputs import TargetOutput, saved_output

_ROWS_AT_ONCE = 4_096


class BagSettings(Settings):
    order: int = Field(2, gt=0, le=32, description="longest n-gram, in tokens")
    min_count: int = Field(2, gt=0, description="smallest count of an n-gram; rarer ones are ignored")
    num_features: int = Field(
        500_000, gt=0, le=2**24, description="largest number of n-grams; the most frequent ones are used"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="label smoothing: share of a class's probability that is spread over all classes"
    )


class BagOfWords(ClassModel):
    """W x + b, whose meaning is that of `target`. x_g is s_g for each n-gram g of a text; x is normalised to length 1.

    s_g measures how much more often g occurs in texts of one class than in those of the others: the log-count ratio r
    of Wang and Manning (2012, section 2.3), as its root mean square over the classes, so that one number serves any
    number of classes. Features are binary: the number of occurrences does not matter (section 2.1 there).
    """

    description = "A bag of words: a linear classifier over the n-grams of a text, regardless of their order."
    source = "Wang and Manning 2012"

    def __init__(
        self,
        ngrams: NGrams,
        weights: Float[Tensor, " features"],
        target: TargetOutput,
        label_smoothing: float,
    ) -> None:
        super().__init__(target, label_smoothing)
        self.ngrams = ngrams
        self.feature_weights: Tensor
        self.register_buffer("feature_weights", weights)
        self.output = nn.EmbeddingBag(max(len(ngrams), 1), target.size, mode="sum")
        self.bias = nn.Parameter(torch.zeros(target.size))
        nn.init.zeros_(self.output.weight)

    @classmethod
    def learn(
        cls,
        ids: NDArray[np.integer[Any]],
        offsets: NDArray[np.int64],
        groups: tuple[NDArray[np.int64], NDArray[np.int64]],
        vocab_size: int,
        target: TargetOutput,
        settings: BagSettings,
    ) -> BagOfWords:
        """Text i is `ids[offsets[i]:offsets[i + 1]]`. `groups`: the numbers of texts, and the class or label that each
        of these texts has; a text may have several, or none."""
        limits = settings.order, settings.min_count, settings.num_features
        ngrams = learn_ngrams(ids, offsets, (PAD, UNK), EOS, vocab_size, *limits)
        if not len(ngrams):
            raise RequestError(
                "no n-gram of the texts is frequent enough",
                where="model.min_count",
                got=settings.min_count,
                expected="at most the count of the most frequent n-gram",
                hint="set model.min_count=1, or give more text",
            )
        weights = torch.from_numpy(_informative(*_counts(ngrams, ids, offsets, groups), len(offsets) - 1))
        return cls(ngrams, weights, target, settings.label_smoothing)

    @classmethod
    def rebuild(cls, settings: BagSettings, tensors: Mapping[str, Tensor]) -> BagOfWords:
        """An untrained model with the sizes of the saved `tensors`."""
        ngrams = NGrams.saved(tensors, "ngrams.", settings.order, before=EOS)
        weights = torch.zeros(len(ngrams))
        return cls(ngrams, weights, saved_output(tensors), settings.label_smoothing)

    @torch.no_grad()
    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The n-grams of both. New ones begin with weights of 0."""
        union = united(NGrams.saved(earlier, "ngrams.", self.ngrams.order, self.ngrams.before), self.ngrams)
        classes = len(earlier["bias"])
        weights, output = torch.zeros(len(union.ngrams)), torch.zeros(len(union.ngrams), len(self.bias))
        weights[union.second], weights[union.first] = self.feature_weights, earlier["feature_weights"]
        output[union.first, :classes] = earlier["output.weight"]
        ngrams = {f"ngrams.{name}": tensor for name, tensor in union.ngrams.named_buffers()}
        return {**super().grown_from(earlier), **ngrams, "feature_weights": weights, "output.weight": output}

    def data_sizes(self) -> dict[str, int]:
        return {**super().data_sizes(), "vocab_size": len(self.ngrams.roots)}

    def forward(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"] | None = None) -> ClassLogits:
        ngrams = self._find(source, lengths)
        device = source.device
        features = torch.from_numpy(ngrams.ids).to(device, torch.long)
        starts = torch.from_numpy(ngrams.starts).to(device)
        rows = torch.repeat_interleave(starts.diff())
        values = self.feature_weights[features]
        squares = values.new_zeros(len(starts) - 1).index_add_(0, rows, values**2)
        values = values * squares.clamp(min=1e-12).rsqrt()[rows]
        return ClassLogits(self.output(features, starts[:-1], values) + self.bias)

    def _find(self, source: Tensor, lengths: Tensor | None) -> SequenceNGrams:
        ids = source.cpu().numpy()
        if lengths is None:
            return self.ngrams.find(ids.ravel(), np.arange(0, ids.size + 1, ids.shape[1]))
        sizes = lengths.cpu().numpy()
        real = np.arange(ids.shape[1]) < sizes[:, None]
        return self.ngrams.find(ids[real], np.concatenate([[0], np.cumsum(sizes)]))


def _counts(
    ngrams: NGrams,
    ids: NDArray[np.integer[Any]],
    offsets: NDArray[np.int64],
    groups: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The number of texts that contain each n-gram: (features, classes) of each class, and (features,) of all; and the
    number of texts of each class."""
    texts, class_of = groups
    classes = int(class_of.max(initial=-1)) + 1
    counts, totals = np.zeros(len(ngrams) * classes), np.zeros(len(ngrams))
    for first in range(0, len(offsets) - 1, _ROWS_AT_ONCE):
        bounds = offsets[first : first + _ROWS_AT_ONCE + 1]
        occurrences = ngrams.find(ids[bounds[0] : bounds[-1]].astype(np.int64), bounds - bounds[0])
        features = occurrences.ids.astype(np.int64)
        totals += np.bincount(features, minlength=len(ngrams))
        begin, end = np.searchsorted(texts, (first, first + len(bounds) - 1))
        starts = occurrences.starts[texts[begin:end] - first]
        lengths = occurrences.starts[texts[begin:end] - first + 1] - starts
        places = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
        np.add.at(counts, features[places] * classes + np.repeat(class_of[begin:end], lengths), 1)
    return counts.reshape(-1, classes), totals, np.bincount(class_of, minlength=classes)


def _informative(
    counts: NDArray[np.float64], totals: NDArray[np.float64], sizes: NDArray[np.int64], texts: int
) -> NDArray[np.float32]:
    """(features,): the root mean square over the classes of log p(g | class) / p(g | other texts), with add-one
    smoothing."""
    in_class = (counts + 1) / (sizes + 2)
    in_others = (totals[:, None] - counts + 1) / (texts - sizes + 2)
    ratio = np.log(in_class / in_others)
    weights: NDArray[np.float32] = np.sqrt((ratio**2).mean(1)).astype(np.float32)
    return weights
