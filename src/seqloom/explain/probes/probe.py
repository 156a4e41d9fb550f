"""Examples of a task whose contexts can be cut: what every measurement of `explain` needs of a trained model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.errors import RequestError

EXAMPLES = 200
"""Whose context is cut; as many as tell the curve, and few enough that it takes less time than an epoch."""

LONGEST = 128
"""Elements of a context, at most."""

ROWS = 64
"""Of a batch, at most."""


class ContextLimit(NamedTuple):
    """The `setting` that limits the contexts of a model, the `elements` that it allows, and what the setting counts
    `beside` them."""

    setting: str
    elements: int
    beside: int = 0


class Probe(ABC):
    """`unit`: what an element of a context is, in the plural. `score`: what `losses` are. `longest`: the elements of
    the longest context. `limit`: of the model's contexts, None where nothing but the data limits them."""

    unit: ClassVar[str] = "tokens"
    score: str = "nats per token"
    longest: int
    limit: ContextLimit | None = None
    smallest: int = 0
    """Elements of the shortest context that the model can be given."""
    answers: NDArray[np.int64] | None = None
    """(examples,): their classes or tags; None where there is no fixed set of answers."""

    @abstractmethod
    def losses(self, context: int) -> Float[NDArray[np.float64], " examples"]:
        """Of each example, with its context cut to so many elements. The examples are the same at every call."""


class EndLoss(NamedTuple):
    """`total`: the loss at the last step of each row, summed over the rows. `lengths`: (rows,) up to and with that
    step; by the beginning of a layer's name where layers read different sequences."""

    total: Tensor
    lengths: dict[str, NDArray[np.int64]]

    def lengths_of(self, layer: str, shape: Sequence[int]) -> Int[NDArray[np.int64], " rows"]:
        beginning = max((name for name in self.lengths if layer.startswith(name)), key=len)
        return np.minimum(self.lengths[beginning], shape[1])


class Attributable(NamedTuple):
    """One output whose inputs are to be weighed. `names`: of the input elements. `output`: what is scored, in words.
    `score`: from `network`, or a copy of it in float64, and elements (rows, time, size) to the scores (rows,), which
    can be differentiated. `elements`, `baseline`: (1, time, size), the elements and what stands for their absence.
    `decoder_names`: of the target tokens that a decoder reads."""

    names: list[str]
    output: str
    network: nn.Module
    score: Callable[[nn.Module, Tensor], Tensor]
    elements: Tensor
    baseline: Tensor
    decoder_names: Sequence[str] = ()


class NetworkProbe(Probe):
    """Of a network. `network` is in evaluation mode."""

    network: nn.Module
    reads_elements: ClassVar[bool] = True
    """Whether each element of a context is one input of the network's layer."""

    reads_bits: ClassVar[bool] = False
    """Whether the elements are vectors of bits."""

    input_name: str = ""
    """The name under which `EndLoss.lengths` knows the layer of `layer_of`."""

    @abstractmethod
    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:
        """The loss at the last step of each of some rows, and at the first one, `at_start`."""

    @abstractmethod
    def example(self, number: int | None, text: str | None) -> Attributable | None:
        """The example `number` (from 1 on), or `text`; with neither, the first that can be weighed, or None where there
        is none."""

    @contextmanager
    def captured_inputs(self) -> Iterator[list[Tensor]]:
        """Within this context, the inputs (rows, time, size) of the network's layer are kept, pass by pass, and can be
        differentiated by."""
        captured: list[Tensor] = []

        def hook(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001
            inputs = arguments[0] if arguments[0].requires_grad else arguments[0].detach().requires_grad_()
            captured.append(inputs)
            return (inputs, *arguments[1:])

        with layer_of(self.network).register_forward_pre_hook(hook):
            yield captured

    def attributable(
        self,
        names: list[str],
        output: str,
        score: Callable[[nn.Module, int], Tensor],
        decoder_names: Sequence[str] = (),
    ) -> Attributable:
        """`score` gives the scores of so many copies of the example. The inputs of the layer are weighed, against
        zeros."""
        with torch.no_grad(), self.captured_inputs() as captured:
            score(self.network, 1)
        elements = captured[0].detach()

        def scored(network: nn.Module, replaced: Tensor) -> Tensor:
            with replaced_inputs(network, replaced):
                return score(network, len(replaced))

        return Attributable(names, output, self.network, scored, elements, torch.zeros_like(elements), decoder_names)


@contextmanager
def replaced_inputs(network: nn.Module, elements: Tensor) -> Iterator[None]:
    """Within this context, the network's layer reads `elements` (rows, time, size) instead of its inputs."""

    def hook(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001
        return (elements, *arguments[1:])

    with layer_of(network).register_forward_pre_hook(hook):
        yield


def copies(inputs: Tensor, rows: int, network: nn.Module) -> Tensor:
    """`inputs` (1, ...) repeated in `rows` rows; real numbers in the precision of the network's weights."""
    read = inputs.to(next(network.parameters()).dtype) if inputs.is_floating_point() else inputs
    return read.expand(rows, *inputs.shape[1:])


def log_probabilities(output: Any, vectors: Tensor, targets: Tensor) -> Tensor:
    """(rows,) of `targets` (rows,) by the softmax of `output`, given `vectors` (rows, size), with gradients."""
    nats = [output.softmax.loss(vector[None], target[None]) for vector, target in zip(vectors, targets, strict=True)]
    return -torch.stack(nats)


def layer_of(network: nn.Module) -> nn.Module:
    """The layer that reads the elements: of the encoder, where there is one."""
    encoder = getattr(network, "encoder", None)
    layer = getattr(encoder if encoder is not None else network, "layer", None)
    if not isinstance(layer, nn.Module):
        raise RequestError("the network has no layer to look into", got=type(network).__name__)
    return layer


@contextmanager
def whole_sequences(network: nn.Module) -> Iterator[None]:
    """Within this context, an encoder that runs chunk by chunk runs over whole sequences, so that gradients are not cut
    between chunks."""
    encoder = getattr(network, "encoder", None)
    chunk_size = getattr(encoder, "chunk_size", 0)
    if encoder is not None and chunk_size:
        encoder.chunk_size = 0
    try:
        yield
    finally:
        if encoder is not None and chunk_size:
            encoder.chunk_size = chunk_size


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the numbers below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def longest_first(rows: Sequence[Sized]) -> NDArray[np.int64]:
    """The indices of the longest of the rows, as many as a batch holds."""
    return np.argsort([-len(row) for row in rows], kind="stable")[:ROWS]


def example_number(number: int | None, count: int) -> int:
    """The index of the example `number`, counted from 1; by default of the first. Raises RequestError where there is no
    such example."""
    if number is None:
        return 0
    if not 1 <= number <= count:
        raise RequestError("there is no such example", where="--example", got=number, expected=f"1 to {count:,}")
    return number - 1
