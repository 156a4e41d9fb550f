"""What the recurrent layers of a network read in one pass; a cell's step as a function of its states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqloom.nn.recurrence.cell import Cell, GatedCell
from seqloom.nn.recurrence.recurrent_layer import RecurrentLayer
from seqloom.nn.recurrence.types import States


def recurrent_layers(network: nn.Module) -> dict[str, RecurrentLayer]:
    """By their names among the modules of the network; without those that read the characters of single words."""
    named = {name: part for name, part in network.named_modules() if isinstance(part, RecurrentLayer)}
    return {name: layer for name, layer in named.items() if not name.startswith("forms.")}


class LayerTrace(NamedTuple):
    """What a layer read: `inputs` (rows, time, input), its initial `states`, and `lengths` (rows,) of the rows."""

    layer: RecurrentLayer
    inputs: Tensor
    states: States
    lengths: Tensor

    def longest_row(self) -> LayerTrace:
        """The row with most elements, without padding, in the order in which the layer reads them."""
        row = int(self.lengths.argmax())
        inputs = self.inputs[row : row + 1, : int(self.lengths[row])]
        states = tuple(state[row : row + 1] for state in self.states)
        inputs = inputs.flip(1) if self.layer.runs_backward else inputs
        return LayerTrace(self.layer, inputs, states, self.lengths[row : row + 1])


@contextmanager
def traced_layers(network: nn.Module) -> Iterator[dict[str, LayerTrace]]:
    """Within this context, the first pass through each recurrent layer of `network` leaves a trace."""
    traces: dict[str, LayerTrace] = {}

    def keep(name: str) -> Any:
        def hook(layer: RecurrentLayer, arguments: tuple[Any, ...]) -> None:
            inputs, states, lengths = (*arguments, None)[:3]
            if name in traces or inputs.shape[1] < 2:
                return
            full = torch.full((inputs.shape[0],), inputs.shape[1])
            lengths = full if lengths is None else lengths.detach().cpu()
            traces[name] = LayerTrace(layer, inputs.detach(), tuple(s.detach() for s in states), lengths)

        return hook

    with ExitStack() as hooks:
        for name, layer in recurrent_layers(network).items():
            hooks.enter_context(layer.register_forward_pre_hook(keep(name)))
        yield traces


Step = Callable[[States], States]


def step_function(cell: Cell, element: Tensor) -> Step:
    """The step of a cell for a given element (rows, input), as a function of the states alone. The product with the
    element is computed once, by a kernel that cannot be differentiated forward."""
    if not isinstance(cell, GatedCell):
        return lambda states: cell(element, states)[1]
    gated, projected, weights = cell, cell.project(element), cell.weights()
    return lambda states: gated.step(projected, states, weights)
