"""The contract of every layer, functions on states of any structure, and evaluation mode."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.matrix_product import forget_transposes
from seqloom.registry import Registry

Family = Literal["recurrent", "transformer", "convolutional", "memory", "window"]
State = Any
"""Any nesting of tuples (named ones too) of tensors, batch first."""


class SequenceLayer(nn.Module):
    """A function with a state. A whole sequence, chunks of it or single elements give the same outputs.

    `settings` is the class of the layer's own settings; a layer is built as `Layer(input_size, settings)`.
    `description`: what it is, in a sentence of at most 90 characters; `source`: the papers that introduced it.
    `family`: layers with the same sizes among their settings, which tasks give the same presets.
    """

    settings: ClassVar[type[Settings]]
    description: ClassVar[str] = ""
    source: ClassVar[str] = ""
    causal: ClassVar[bool] = True
    family: ClassVar[Family] = "recurrent"

    input_size: int
    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state before the first element."""

    @abstractmethod
    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """The output at every step, and the state after each row's own last element.

        `lengths`: the number of real elements in each row; None: all are real. The elements after them are padding:
        they change nothing, and the outputs there are undefined. A row without real elements keeps its state. `state`
        None means `initial_state`."""


layers: Registry[type[SequenceLayer]] = Registry("layer", "seqloom.nn.layers")


def map_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """The state with `function` applied to every tensor."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, tuple):
        parts = [map_state(function, part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    raise TypeError(f"a state consists of tuples and tensors, not of {type(state).__name__}")


def state_tensors(state: State) -> list[Tensor]:
    """The tensors of a state, in order."""
    return [state] if isinstance(state, Tensor) else [tensor for part in state for tensor in state_tensors(part)]


def restore_state(like: State, tensors: list[Tensor]) -> State:
    """A state of the structure of `like` with the given tensors. Empties the list `tensors`."""
    return map_state(lambda _: tensors.pop(0), like)


def detach(state: State) -> State:
    """The state without its history of gradients, for truncated back-propagation through time."""
    return map_state(Tensor.detach, state)


def select_rows(state: State, rows: Int[Tensor, " selected"]) -> State:
    """The state of the given rows, in that order."""
    return map_state(lambda tensor: tensor.index_select(0, rows), state)


def without_padding(
    inputs: Float[Tensor, "batch time size"], lengths: Int[Tensor, " batch"] | None
) -> Float[Tensor, "batch time size"]:
    """The inputs with zeros in the padding, so that no value there, not even NaN, reaches a state or a gradient."""
    if lengths is None:
        return inputs
    padding = torch.arange(inputs.shape[1], device=inputs.device) >= lengths[:, None]
    return inputs.masked_fill(padding[:, :, None], 0.0)


def last_real(
    sequence: Float[Tensor, "batch time size"],
    lengths: Int[Tensor, " batch"] | None,
    before: Float[Tensor, "batch size"],
) -> Float[Tensor, "batch size"]:
    """Each row's last real element, and `before` for a row that has none."""
    if lengths is None:
        return sequence[:, -1]
    last = sequence[torch.arange(len(lengths), device=sequence.device), (lengths - 1).clamp(min=0)]
    return torch.where(lengths[:, None] > 0, last, before)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Sets evaluation mode, without dropout, and afterwards the mode that the network was in."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
        if was_training:
            forget_transposes()
