"""Layers over a window of the last elements: linear autoregression, a feed-forward network, Bengio's NNLM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.nn.layer import SequenceLayer, State, layers, without_padding
from seqloom.nn.matrix_product import Linear

_NARROW = 8
"""Elements in a window up to which its copies are fast and small enough."""


class WindowSettings(Settings):
    order: int = Field(5, gt=1, le=4096, description="elements in the window plus the predicted one: n of an n-gram")
    initial_state: Literal["learned", "zeros"] = Field("learned", description="padding before the first element")


class Window(SequenceLayer):
    """Reads the last `order - 1` elements, the present one included. The state is the `order - 2` elements before it:
    (batch, order - 2, input)."""

    settings: ClassVar[type[Settings]] = WindowSettings
    family = "window"

    def __init__(self, input_size: int, settings: WindowSettings) -> None:
        super().__init__()
        self.input_size, self.width = input_size, settings.order - 1
        start = torch.zeros(self.width - 1, input_size)
        if settings.initial_state == "learned":
            self.start: Tensor = nn.Parameter(start)
        else:
            self.register_buffer("start", start)

    def initial_state(self, batch_size: int) -> State:
        return (self.start.expand(batch_size, -1, -1),)

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        (past,) = self.initial_state(inputs.shape[0]) if state is None else state
        elements = torch.cat([past, without_padding(inputs, lengths)], dim=1)
        time = inputs.shape[1]
        return self.map_elements(elements), (self._last(elements, lengths, time),)

    def windows(self, elements: Float[Tensor, "batch elements input"]) -> Float[Tensor, "batch time window"]:
        """Every window of `elements`, its elements side by side, the oldest first."""
        time = elements.shape[1] - self.width + 1
        return torch.cat([elements[:, k : k + time] for k in range(self.width)], dim=2)

    def over_windows(
        self, linear: Linear, elements: Float[Tensor, "batch elements input"]
    ) -> Float[Tensor, "batch time output"]:
        """`linear` of every window. Of wide windows it is a convolution, so that elements are not copied into each
        window that holds them: with a window of 336 the copies took 336 times the memory."""
        if self.width <= _NARROW:
            return linear(self.windows(elements))
        kernel = linear.weight.view(len(linear.weight), self.width, self.input_size).transpose(1, 2)
        return F.conv1d(elements.transpose(1, 2), kernel, linear.bias).transpose(1, 2)

    def _last(self, elements: Tensor, lengths: Tensor | None, time: int) -> Tensor:
        """The last `width - 1` elements of each row."""
        if lengths is None:
            return elements[:, time:]
        positions = lengths[:, None] + torch.arange(self.width - 1, device=elements.device)
        return elements.gather(1, positions[:, :, None].expand(-1, -1, elements.shape[2]))

    def map_elements(self, elements: Tensor) -> Tensor:
        """From (batch, width - 1 + time, input) to (batch, time, output)."""
        raise NotImplementedError


class ARSettings(WindowSettings):
    size_settings: ClassVar = ("output_size",)

    output_size: int = Field(256, gt=0, le=2**16, description="dimension of the output")


@layers.register("ar")
class AR(Window):
    """Autoregression: y_t = b + sum over k of W_k x_{t-k} (Yule 1927)."""

    settings = ARSettings
    description = "Linear autoregression: each output is a linear map of the last elements."
    source = "Yule 1927"

    def __init__(self, input_size: int, settings: ARSettings) -> None:
        super().__init__(input_size, settings)
        self.output_size = settings.output_size
        self.linear = Linear(self.width * input_size, settings.output_size)

    def map_elements(self, elements: Tensor) -> Tensor:
        return self.over_windows(self.linear, elements)


class FeedForwardSettings(WindowSettings):
    size_settings: ClassVar = ("hidden_size",)

    hidden_size: int = Field(512, gt=0, le=2**16, description="units of a hidden layer")
    num_layers: int = Field(2, gt=0, le=64, description="number of hidden layers")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of dropout after each hidden layer")


@layers.register("ffnn")
class FeedForward(Window):
    """A feed-forward network over the window: hidden layers with GELU, with residual connections after the first."""

    settings = FeedForwardSettings
    description = "A feed-forward network over a window of the last elements."
    source = "Bengio et al. 2003"

    def __init__(self, input_size: int, settings: FeedForwardSettings) -> None:
        super().__init__(input_size, settings)
        self.output_size = settings.hidden_size
        sizes = [self.width * input_size] + [settings.hidden_size] * (settings.num_layers - 1)
        self.hidden = nn.ModuleList(Linear(size, settings.hidden_size) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(settings.hidden_size) for _ in sizes[1:])
        self.dropout = nn.Dropout(settings.dropout)

    def map_elements(self, elements: Tensor) -> Tensor:
        first, *later_layers = cast("Iterator[Linear]", iter(self.hidden))
        hidden = self.dropout(nn.functional.gelu(self.over_windows(first, elements)))
        for norm, linear in zip(self.norms, later_layers, strict=True):
            hidden = hidden + self.dropout(nn.functional.gelu(linear(norm(hidden))))
        return hidden


class NNLMSettings(WindowSettings):
    size_settings: ClassVar = ("hidden_size",)

    hidden_size: int = Field(256, gt=0, le=2**16, description="tanh units")
    direct_connections: bool = Field(False, description="direct connections from the word vectors to the output")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of dropout on the tanh units")


@layers.register("nnlm")
class NNLM(Window):
    """Bengio et al. 2003, equation 1: y = b + W x + U tanh(d + H x), where x is the concatenation of the word vectors.

    The layer returns tanh(d + H x), followed by x where there are direct connections; b, W and U belong to the output
    layer.
    """

    settings = NNLMSettings
    description = "The neural probabilistic language model: one tanh layer over the last words."
    source = "Bengio et al. 2003"

    def __init__(self, input_size: int, settings: NNLMSettings) -> None:
        super().__init__(input_size, settings)
        self.direct_connections = settings.direct_connections
        direct = self.width * input_size if settings.direct_connections else 0
        self.output_size = settings.hidden_size + direct
        self.hidden = Linear(self.width * input_size, settings.hidden_size)
        self.dropout = nn.Dropout(settings.dropout)

    def map_elements(self, elements: Tensor) -> Tensor:
        hidden = self.dropout(torch.tanh(self.over_windows(self.hidden, elements)))
        return torch.cat([hidden, self.windows(elements)], dim=2) if self.direct_connections else hidden
