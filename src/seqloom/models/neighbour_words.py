"""A tagger that is a language model in both directions too, in training only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.errors import RequestError
from seqloom.nn.layer import SequenceLayer
from seqloom.nn.layers.recurrent import Bidirectional, RecurrentStack
from seqloom.nn.output import OutputLayer, OutputSettings
from seqloom.storage.tensors import model_tensors


class NeighbourWords(nn.Module):
    """The next word from the outputs of a layer that reads forward, and the previous word from those of one that reads
    backward: what there is to learn about words in sentences helps their tags (Rei 2017, equations 8 to 11, here with
    the embedding of words as output weights and no hidden layer)."""

    def __init__(
        self, layer: SequenceLayer, word_counts: NDArray[np.int64], table: nn.Embedding, weight: float
    ) -> None:
        """`table`: the embedding of the words; `weight`: of the loss."""
        super().__init__()
        self.weight = weight
        self.forward_size = _forward_size(layer)
        settings, words = OutputSettings(), cast(nn.Parameter, table.weight)
        self.next = OutputLayer(self.forward_size, settings, word_counts, words)
        backward_size = layer.output_size - self.forward_size
        self.previous = OutputLayer(backward_size, settings, word_counts, words) if backward_size else None

    def loss(
        self,
        outputs: Float[Tensor, "batch time size"],
        word_ids: Int[Tensor, "batch time"],
        real: Bool[Tensor, "batch time"] | None,
    ) -> Float[Tensor, ""]:
        """-log p of the words beside each word, times the weight, in nats, summed. `real`: False in padding."""
        pairs = (torch.ones_like(word_ids, dtype=torch.bool) if real is None else real)[:, 1:]
        total = _loss(self.next, outputs[:, :-1, : self.forward_size][pairs], word_ids[:, 1:][pairs])
        if self.previous is not None:
            total = total + _loss(self.previous, outputs[:, 1:, self.forward_size :][pairs], word_ids[:, :-1][pairs])
        return self.weight * total

    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """A network initialised from another begins to learn its neighbours; the embedding is grown elsewhere."""
        return model_tensors(self)


def _forward_size(layer: SequenceLayer) -> int:
    """How many of a layer's outputs come first that have read no later word; the others have read no earlier one."""
    if layer.causal:
        return layer.output_size
    if isinstance(layer, RecurrentStack) and len(layer.stack) == 1:
        return cast(Bidirectional, layer.stack[0]).forward_layer.output_size
    raise RequestError(
        "the layer has read a word before it could predict it",
        where="language_model_weight",
        expected="a layer that reads forward, or a bidirectional recurrent one with model.num_layers=1",
    )


def _loss(output: OutputLayer, hidden: Float[Tensor, "rows size"], targets: Int[Tensor, " rows"]) -> Float[Tensor, ""]:
    return output.softmax.loss(output(hidden[:, None])[:, 0], targets)
