"""The contract of every layer: whole, in chunks or one element at a time, alone or among ragged rows, it says the same.

Whatever is registered is tested; a new layer needs no line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import Tensor

from seqloom.config import Settings
from seqloom.nn.layer import SequenceLayer, State, layers, map_state
from seqloom.nn.recurrence.cell import cells
from seqloom.testing import LAYER_CHECKS, MakeLayer, assert_close, check_layer, in_chunks, prepared

INPUT = 6
SMALL = {"hidden_size": 8, "model_dim": 8, "num_heads": 2, "num_layers": 2, "output_size": 6, "order": 4}
SMALL |= {"memory_size": 6, "memory_width": 3}
VARIANTS = [
    ("initial_state", "zeros"),
    ("window", 3),
    ("window", 1),
    ("direct_connections", True),
    ("order", 2),
    ("residual", True),
    ("zoneout", 0.3),
    ("activation", "relu"),
    ("reset", "before"),
    ("peephole", True),
    ("layer_norm", True),
    ("coupled", True),
    ("projection", 5),
    ("controller", "feed-forward"),
    ("write_heads", 2),
    ("residual", False),
    ("kernel_size", 1),
    ("kernel_size", 4),
    ("dilation", 3),
]


Case = tuple[str, dict[str, Any]]


def small(name: str) -> dict[str, Any]:
    """The settings of SMALL that the layer has."""
    return {setting: value for setting, value in SMALL.items() if setting in layers[name].settings.model_fields}


def cases(causal_only: bool = False) -> list[Any]:
    """Each registered layer with small settings, and with each of VARIANTS that it has a setting for.

    `causal_only`: those that need not know the future, and so can be given a sequence in chunks.
    """
    names = [name for name in layers if layers[name].causal or not causal_only]
    found = [pytest.param((name, small(name)), id=name) for name in names]
    return found + [
        pytest.param((name, small(name) | {setting: value}), id=f"{name}-{setting}={value}")
        for name in names
        for setting, value in VARIANTS
        if setting in layers[name].settings.model_fields
    ]


def maker(case: Case) -> MakeLayer:
    name, values = case
    return lambda: layers[name](INPUT, layers[name].settings(**values))  # type: ignore[call-arg]


def build(case: Case, dtype: torch.dtype = torch.float64) -> SequenceLayer:
    return prepared(maker(case), dtype)


@pytest.mark.parametrize("check", LAYER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", cases())
def test_every_layer_keeps_the_contract(case: Case, check: Callable[[MakeLayer], None]) -> None:
    check(maker(case))


class Forgetful(SequenceLayer):
    """A running sum that begins anew with every chunk."""

    settings = Settings

    def __init__(self) -> None:
        super().__init__()
        self.input_size = self.output_size = INPUT

    def initial_state(self, batch_size: int) -> State:
        return (torch.zeros(batch_size, 1),)

    def forward(self, inputs: Tensor, *_: object, **__: object) -> tuple[Tensor, State]:
        return inputs.cumsum(1), self.initial_state(len(inputs))


def test_a_layer_that_breaks_the_contract_is_told_where() -> None:
    with pytest.raises(AssertionError, match=r"^chunks_equal_the_whole"):
        check_layer(Forgetful)


@pytest.mark.parametrize("case", cases(causal_only=True))
@settings(max_examples=5)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_any_chunks_equal_the_whole(case: Case, sizes: list[int]) -> None:
    layer, inputs = build(case), torch.randn(2, sum(sizes), INPUT, dtype=torch.float64)
    assert_close(in_chunks(layer, inputs, sizes)[0], layer(inputs)[0])


@pytest.mark.parametrize("name", list(layers))
def test_a_layer_with_a_window_remembers_no_more_than_it(name: str) -> None:
    if "window" not in layers[name].settings.model_fields:
        pytest.skip("the layer has no window")
    for window in (1, 3):
        layer = build((name, small(name) | {"window": window}))
        state = None
        for lengths in ([4, 1], [0, 2], [1, 1], [3, 0]):
            inputs = torch.randn(len(lengths), max(lengths), INPUT, dtype=torch.float64)
            _, state = layer(inputs, state, torch.tensor(lengths))
            assert state.keys.shape[3] == state.real.shape[1] <= window - 1
        assert state.position.tolist() == [8, 4]


@pytest.mark.parametrize("case", cases())
def test_shapes_in_signatures_are_checked(case: Case) -> None:
    """In the tests, by the import hook of conftest.py: here the lengths are those of another batch."""
    layer = build(case)
    with pytest.raises(TypeCheckError):
        layer(torch.randn(2, 3, INPUT, dtype=torch.float64), None, torch.tensor([1, 2, 3]))


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(TypeError, match="not of list"):
        map_state(Tensor.detach, [torch.zeros(1)])


@pytest.mark.parametrize("entry", [*layers, *cells])
def test_what_is_registered_describes_itself(entry: str) -> None:
    kinds = [registry[entry] for registry in (layers, cells) if entry in list(registry)]
    for kind in kinds:
        assert 20 <= len(kind.description) <= 90
        assert kind.description.endswith(".")
        assert kind.source
