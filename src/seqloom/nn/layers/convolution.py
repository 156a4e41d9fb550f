"""Convolutions along the sequence: around each element (`cnn`), or over earlier elements only (`tcn`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.nn.layer import SequenceLayer, State, layers, without_padding


class ConvolutionSettings(Settings):
    size_settings: ClassVar = ("hidden_size",)

    hidden_size: int = Field(128, gt=0, le=2**16, description="channels of a convolution")
    num_layers: int = Field(3, gt=0, le=64, description="number of stacked convolutions")
    kernel_size: int = Field(5, gt=0, le=4096, description="elements in the kernel of a convolution")
    dilation: int = Field(
        1, gt=0, le=64, description="factor between the dilations of two successive convolutions; 1: no dilation"
    )  # fmt: skip
    residual: bool = Field(True, description="residual connection around each convolution, where sizes allow")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of dropout after each convolution, of whole channels")


class DilatedConvolutionSettings(ConvolutionSettings):
    num_layers: int = Field(4, gt=0, le=64, description="number of stacked convolutions")
    dilation: int = Field(
        2, gt=0, le=64, description="factor between the dilations of two successive convolutions; with 2 and a "
        "kernel of k, n convolutions have a receptive field of (2^n - 1)(k - 1) + 1 elements"
    )  # fmt: skip


class Convolution(nn.Module):
    """[x +] dropout(gelu(norm(conv(x)))), over elements `dilation` apart. The norm is over the channels of an element
    (Ba et al. 2016), not over a batch or a sequence, so that no element depends on padding or on later elements."""

    def __init__(
        self, input_size: int, size: int, kernel_size: int, dilation: int, residual: bool, rate: float
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(input_size, size, kernel_size, dilation=dilation)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout1d(rate)
        self.residual = residual and input_size == size
        self.reach = (kernel_size - 1) * dilation
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(
        self, padded: Float[Tensor, "batch padded input"], elements: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time size"]:
        """`padded` is `elements` with `reach` more elements around them."""
        normalised = self.norm(self.conv(padded.transpose(1, 2)).transpose(1, 2))
        new = self.dropout(F.gelu(normalised).transpose(1, 2)).transpose(1, 2)
        return elements + new if self.residual else new


class ConvolutionStack(SequenceLayer):
    """Stacked convolutions."""

    settings: ClassVar[type[Settings]] = ConvolutionSettings
    family = "convolutional"

    def __init__(self, input_size: int, settings: ConvolutionSettings) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, settings.hidden_size
        self.convolutions = nn.ModuleList(
            Convolution(
                settings.hidden_size if depth else input_size,
                settings.hidden_size,
                settings.kernel_size,
                settings.dilation**depth,
                settings.residual,
                settings.dropout,
            )
            for depth in range(settings.num_layers)
        )

    def iter_convolutions(self) -> Iterator[Convolution]:
        return (cast(Convolution, convolution) for convolution in self.convolutions)


@layers.register("cnn")
class ConvolutionalNetwork(ConvolutionStack):
    """Convolutions around each element, with zeros outside the sequence (Wang et al. 2017, section II.B). They read
    later elements, so the state is empty."""

    causal = False
    description = "A convolutional network: each output sees the elements around it, on both sides."
    source = "Collobert et al. 2011; Wang et al. 2017"

    def initial_state(self, batch_size: int) -> State:  # noqa: ARG002
        return ()

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,  # noqa: ARG002
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        hidden = inputs
        for convolution in self.iter_convolutions():
            hidden = without_padding(hidden, lengths)
            before = convolution.reach // 2
            hidden = convolution(F.pad(hidden, (0, 0, before, convolution.reach - before)), hidden)
        return hidden, ()


@layers.register("tcn")
class TemporalConvolutionalNetwork(ConvolutionStack):
    """Causal dilated convolutions, with zeros before the first element (van den Oord et al. 2016; Bai et al. 2018,
    section 3). The state: for each convolution, the last elements of its input, which its next output depends on."""

    settings = DilatedConvolutionSettings
    description = "A causal network of dilated convolutions: each output sees a fixed span before it."
    source = "van den Oord et al. 2016; Bai et al. 2018"

    def initial_state(self, batch_size: int) -> State:
        return tuple(
            convolution.conv.weight.new_zeros(batch_size, convolution.reach, convolution.conv.in_channels)
            for convolution in self.iter_convolutions()
        )

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        hidden, new_state = without_padding(inputs, lengths), []
        state = self.initial_state(inputs.shape[0]) if state is None else state
        for convolution, past in zip(self.iter_convolutions(), state, strict=True):
            padded = torch.cat([past, hidden], dim=1)
            new_state.append(_last(padded, lengths, convolution.reach))
            hidden = convolution(padded, hidden)
        return hidden, tuple(new_state)


def _last(elements: Tensor, lengths: Tensor | None, count: int) -> Float[Tensor, "batch count size"]:
    """The last `count` real elements of each row. `lengths` does not count the first `count` elements."""
    if lengths is None:
        return elements[:, elements.shape[1] - count :]
    positions = lengths[:, None] + torch.arange(count, device=elements.device)
    return elements.gather(1, positions[:, :, None].expand(-1, -1, elements.shape[2]))
