"""The contract of every layer, and what is done with a state whatever is in it. Knows no layer by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.registry import Registry

State = Any
"""Any nesting of tuples (named ones too) of tensors, batch first."""


class SequenceLayer(nn.Module):
    """A function with a memory. The whole sequence at once, chunk by chunk, or one element at a time: all agree.

    `settings` is the class of the layer's own settings; a layer is built as `Layer(input_size, settings)`.
    `description`: what it is, in a sentence of at most 90 characters; `source`: the papers that introduced it.
    """

    settings: ClassVar[type[Settings]]
    description: ClassVar[str] = ""
    source: ClassVar[str] = ""
    causal: ClassVar[bool] = True

    input_size: int
    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The memory before the first element."""

    @abstractmethod
    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """The output at every step, and the state after each row's own last element.

        `lengths` are the real elements of each row; what follows them changes nothing, the outputs there mean
        nothing, and a row without any keeps its state. None: all are real. `state` None is `initial_state`.
        """


layers: Registry[type[SequenceLayer]] = Registry("layer", "seqloom.nn.layers")


def map_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """The same state with `function` applied to every tensor."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, tuple):
        parts = [map_state(function, part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    raise TypeError(f"a state is made of tuples and tensors, not of {type(state).__name__}")


def state_tensors(state: State) -> list[Tensor]:
    """The tensors of a state, in order."""
    return [state] if isinstance(state, Tensor) else [tensor for part in state for tensor in state_tensors(part)]


def restore_state(like: State, tensors: list[Tensor]) -> State:
    """The state shaped like `like` that holds `tensors` (which is emptied)."""
    return map_state(lambda _: tensors.pop(0), like)


def detach(state: State) -> State:
    """The state without the history that gradients would follow: where back-propagation through time is cut."""
    return map_state(Tensor.detach, state)


def select_rows(state: State, rows: Int[Tensor, " chosen"]) -> State:
    """The state of the rows `rows`, in that order."""
    return map_state(lambda tensor: tensor.index_select(0, rows), state)


def without_padding(
    inputs: Float[Tensor, "batch time size"], lengths: Int[Tensor, " batch"] | None
) -> Float[Tensor, "batch time size"]:
    """The inputs with zeros after each row's last real element, so that whatever stood there (NaN too) reaches neither
    a state nor a gradient."""
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
