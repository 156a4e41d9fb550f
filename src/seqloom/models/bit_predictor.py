"""Networks that predict a sequence of bits from a sequence of vectors, with any layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.errors import SeqloomError
from seqloom.nn.layer import SequenceLayer
from seqloom.nn.matrix_product import Linear

_MOST_BITS = 1 << 20


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
        input_size, target_size = tensors["sizes"].tolist()
        if not (0 < input_size < _MOST_BITS and 0 < target_size < _MOST_BITS):
            got = f"{input_size} numbers in and {target_size} out"
            raise SeqloomError("the saved weights are damaged", where="sizes", got=got)
        return cls(layer, settings, input_size, target_size)

    def data_sizes(self) -> dict[str, int]:
        input_size, target_size = self.sizes.tolist()
        return {"input_size": input_size, "target_size": target_size}

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
