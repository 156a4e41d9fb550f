"""Networks that predict a sequence of bits from a sequence of vectors, with any layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.nn.layer import SequenceLayer
from seqloom.nn.matrix_product import Linear


class BitPredictor(nn.Module):
    """p(bit) = sigmoid(W layer(x) + b)."""

    def __init__(self, layer: type[SequenceLayer], settings: Settings, input_size: int, target_size: int) -> None:
        super().__init__()
        self.layer = layer(input_size, settings)
        self.output = Linear(self.layer.output_size, target_size)
        self.sizes: Tensor
        self.register_buffer("sizes", torch.tensor([input_size, target_size]))

    @classmethod
    def rebuild(cls, layer: type[SequenceLayer], settings: Settings, tensors: Mapping[str, Tensor]) -> BitPredictor:
        """An untrained network with the sizes of the saved `tensors`."""
        return cls(layer, settings, *tensors["sizes"].tolist())

    def forward(
        self, inputs: Float[Tensor, "batch time input"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time bits"]:
        """Logits."""
        outputs, _ = self.layer(inputs, None, lengths)
        return self.output(outputs)

    def loss(
        self,
        inputs: Float[Tensor, "batch time input"],
        targets: Float[Tensor, "batch time bits"],
        scored: Bool[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """-log p of the bits of all scored steps, in nats, summed."""
        logits = self(inputs, lengths)[scored]
        return F.binary_cross_entropy_with_logits(logits.float(), targets[scored], reduction="sum")
