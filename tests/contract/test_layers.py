"""The contract of every layer: whole, in chunks or one element at a time, alone or among ragged rows, it says the same.

Whatever is registered is tested; a new layer needs no line here.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import Tensor

from seqloom.nn.layer import SequenceLayer, State, detach, layers, map_state, restore_state, select_rows, state_tensors
from seqloom.nn.recurrence.cell import cells

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


def build(case: tuple[str, dict[str, Any]], dtype: torch.dtype = torch.float64) -> SequenceLayer:
    """The layer with every parameter, learned initial states too, away from zero."""
    name, values = case
    torch.manual_seed(1)
    layer = layers[name](INPUT, layers[name].settings(**values)).to(dtype)  # type: ignore[call-arg]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer.eval()


@pytest.fixture(params=cases())
def layer(request: pytest.FixtureRequest) -> SequenceLayer:
    return build(request.param)


@pytest.fixture(params=cases(causal_only=True))
def causal_layer(request: pytest.FixtureRequest) -> SequenceLayer:
    return build(request.param)


def in_chunks(
    layer: SequenceLayer, inputs: Tensor, sizes: list[int], state: State | None = None
) -> tuple[Tensor, State]:
    parts = []
    for chunk in inputs.split(sizes, dim=1):
        output, state = layer(chunk, state)
        parts.append(output)
    return torch.cat(parts, dim=1), state


def assert_close(got: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


def ragged(lengths: list[int], width: int | None = None) -> tuple[Tensor, Tensor]:
    return torch.randn(len(lengths), width or max(lengths), INPUT, dtype=torch.float64), torch.tensor(lengths)


CHUNKS = [[9], [4, 5], [1, 3, 2, 3], [1] * 9, [8, 1]]


@pytest.mark.parametrize("sizes", CHUNKS, ids=str)
def test_chunks_say_what_the_whole_says(causal_layer: SequenceLayer, sizes: list[int]) -> None:
    layer = causal_layer
    inputs, more = torch.randn(3, 9, INPUT, dtype=torch.float64), torch.randn(3, 4, INPUT, dtype=torch.float64)
    whole, after = layer(inputs)
    chunked, after_chunks = in_chunks(layer, inputs, sizes)
    assert whole.shape == (3, 9, layer.output_size)
    assert_close(chunked, whole)
    assert_close(layer(more, after_chunks)[0], layer(more, after)[0])


@pytest.mark.parametrize("case", cases(causal_only=True))
@settings(max_examples=5)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_any_chunks_say_what_the_whole_says(case: Any, sizes: list[int]) -> None:
    layer, inputs = build(case), torch.randn(2, sum(sizes), INPUT, dtype=torch.float64)
    assert_close(in_chunks(layer, inputs, sizes)[0], layer(inputs)[0])


def test_the_initial_state_is_what_no_state_means(layer: SequenceLayer) -> None:
    inputs = torch.randn(3, 5, INPUT, dtype=torch.float64)
    assert_close(layer(inputs, layer.initial_state(3))[0], layer(inputs)[0])


@pytest.mark.parametrize(
    "chunks",
    [
        [[5, 1, 3]],
        [[2, 5, 3], [4, 1, 4]],
        [[0, 5, 3], [3, 0, 1], [2, 2, 0]],
        [[0, 0, 2], [0, 3, 2], [0, 0, 0]],
    ],
    ids=str,
)
def test_ragged_rows_are_as_if_alone(causal_layer: SequenceLayer, chunks: list[list[int]]) -> None:
    """Each row of each chunk equals that row run alone over its real elements, and so does a full chunk afterwards."""
    layer = causal_layer
    state, alone = None, [[] for _ in chunks[0]]
    outputs: list[list[Tensor]] = [[] for _ in chunks[0]]
    for lengths in chunks:
        inputs, sizes = ragged(lengths, max(*lengths, 2))
        output, state = layer(inputs, state, sizes)
        for row, length in enumerate(lengths):
            alone[row].append(inputs[row, :length])
            outputs[row].append(output[row, :length])
    more = torch.randn(len(alone), 4, INPUT, dtype=torch.float64)
    final, _ = layer(more, state)
    for row, parts in enumerate(alone):
        expected, _ = layer(torch.cat([*parts, more[row]])[None])
        assert_close(torch.cat([*outputs[row], final[row]]), expected[0])


def test_ragged_rows_of_one_call_are_as_if_alone(layer: SequenceLayer) -> None:
    inputs, lengths = ragged([3, 0, 6, 1, 6])
    output, state = layer(inputs, None, lengths)
    for row, length in enumerate(lengths.tolist()):
        if not length:
            continue
        expected, after = layer(inputs[row : row + 1, :length])
        assert_close(output[row : row + 1, :length], expected)
        if not layer.causal:
            got = state_tensors(select_rows(state, torch.tensor([row])))
            for part, other in zip(got, state_tensors(after), strict=True):
                assert_close(part, other)


def test_a_full_length_is_no_length(layer: SequenceLayer) -> None:
    inputs, lengths = ragged([4, 4])
    assert_close(layer(inputs, None, lengths)[0], layer(inputs)[0])


def test_a_row_without_elements_keeps_its_state(layer: SequenceLayer) -> None:
    _, state = layer(torch.randn(2, 5, INPUT, dtype=torch.float64))
    inputs, lengths = ragged([0, 2])
    _, after = layer(inputs, state, lengths)
    more = torch.randn(2, 3, INPUT, dtype=torch.float64)
    assert_close(layer(more, after)[0][0], layer(more, state)[0][0])


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e30, -1e3])
@pytest.mark.parametrize("started", [False, True])
def test_what_stands_in_padding_changes_nothing(layer: SequenceLayer, garbage: float, started: bool) -> None:
    inputs, lengths = ragged([2, 5, 0, 3])
    more = torch.randn(4, 2, INPUT, dtype=torch.float64)
    state = layer(torch.randn(4, 3, INPUT, dtype=torch.float64))[1] if started else None
    real = torch.arange(5) < lengths[:, None]

    def run(padding: float) -> tuple[Tensor, ...]:
        layer.zero_grad()
        given = inputs.masked_fill(~real[..., None], padding).requires_grad_()
        output, after = layer(given, detach(state) if started else None, lengths)
        final, _ = layer(more, after)
        (output[real].pow(2).sum() + final.pow(2).sum()).backward()
        gradients = [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]
        return output[real].detach(), final.detach(), given.grad[real], *gradients

    for got, expected in zip(run(garbage), run(0.0), strict=True):
        assert_close(got, expected)


def test_what_comes_later_changes_nothing_before(causal_layer: SequenceLayer) -> None:
    layer = causal_layer
    inputs = torch.randn(2, 7, INPUT, dtype=torch.float64, requires_grad=True)
    output, _ = layer(inputs)
    for step in (0, 3, 5):
        (gradient,) = torch.autograd.grad(output[:, step].sum(), inputs, retain_graph=True)
        assert not gradient[:, step + 1 :].any()
        assert gradient[:, step].any()


def test_rows_do_not_see_each_other(layer: SequenceLayer) -> None:
    inputs = torch.randn(3, 5, INPUT, dtype=torch.float64)
    order = torch.tensor([2, 0])
    assert_close(layer(inputs[order])[0], layer(inputs)[0][order])


def test_gradients_reach_every_parameter(layer: SequenceLayer) -> None:
    output, _ = layer.train()(torch.randn(2, 6, INPUT, dtype=torch.float64))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any() or not parameter.numel(), name


def test_gradients_are_those_of_the_function(layer: SequenceLayer) -> None:
    lengths = torch.tensor([3, 1])
    weights = torch.randn(2, 3, layer.output_size, dtype=torch.float64)
    real = torch.arange(3) < lengths[:, None]

    def loss(inputs: Tensor, *_: Tensor) -> Tensor:
        first, state = layer(inputs, None, lengths)
        second, _ = layer(inputs, state)
        return ((first * weights)[real]).sum() + (second * weights).sum()

    inputs = torch.randn(2, 3, INPUT, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (inputs, *layer.parameters()), fast_mode=True)


def test_gradients_flow_through_the_state_until_it_is_detached(layer: SequenceLayer) -> None:
    inputs = torch.randn(2, 3, INPUT, dtype=torch.float64, requires_grad=True)
    more = torch.randn(2, 1, INPUT, dtype=torch.float64)
    _, state = layer(inputs)
    through = layer(more, state)[0].sum()
    if any(tensor.numel() and tensor.requires_grad for tensor in state_tensors(state)):
        assert torch.autograd.grad(through, inputs)[0].any()
    cut, _ = layer(more, detach(state))
    assert torch.autograd.grad(cut.sum(), inputs, allow_unused=True)[0] is None


@pytest.mark.parametrize("case", cases())
def test_saved_weights_give_the_same_outputs(case: Any) -> None:
    layer, other = build(case), layers[case[0]](INPUT, layers[case[0]].settings(**case[1])).double().eval()  # type: ignore[call-arg]
    inputs = torch.randn(2, 5, INPUT, dtype=torch.float64)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(inputs)[0], layer(inputs)[0])


def test_a_state_is_batch_first_and_keeps_its_shape(layer: SequenceLayer) -> None:
    _, state = layer(torch.randn(3, 5, INPUT, dtype=torch.float64))
    assert all(tensor.shape[0] == 3 for tensor in state_tensors(state) + state_tensors(layer.initial_state(3)))
    assert all(not tensor.requires_grad for tensor in state_tensors(detach(state)))
    rebuilt = restore_state(layer.initial_state(1), list(state_tensors(state)))
    assert type(rebuilt) is type(state)
    assert all(a is b for a, b in zip(state_tensors(rebuilt), state_tensors(state), strict=True))
    copy = map_state(Tensor.clone, state)
    more = torch.randn(3, 2, INPUT, dtype=torch.float64)
    assert torch.equal(layer(more, copy)[0], layer(more, state)[0])


def test_selected_rows_go_on_where_they_were(layer: SequenceLayer) -> None:
    rows, more = torch.tensor([2, 0, 2]), torch.randn(3, 2, INPUT, dtype=torch.float64)
    inputs, lengths = ragged([1, 4, 3])
    _, state = layer(inputs, None, lengths)
    assert_close(layer(more[rows], select_rows(state, rows))[0], layer(more, state)[0][rows])


def test_a_call_leaves_inputs_and_state_alone(layer: SequenceLayer) -> None:
    inputs = torch.randn(2, 5, INPUT, dtype=torch.float64)
    _, state = layer(inputs)
    before = [tensor.clone() for tensor in (inputs, *state_tensors(state))]
    layer(inputs, state, torch.tensor([5, 2]))
    assert all(torch.equal(a, b) for a, b in zip(before, (inputs, *state_tensors(state)), strict=True))


@pytest.mark.parametrize("case", cases(causal_only=True))
def test_mixed_precision_is_close_and_carries_its_state(case: Any) -> None:
    layer, inputs = build(case, torch.float32), torch.randn(2, 8, INPUT)
    expected, _ = layer(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        first, state = layer(inputs[:, :5], None, torch.tensor([5, 5]))
        second, _ = layer(inputs[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1).float(), expected, rtol=0.1, atol=0.15)


@pytest.mark.parametrize("name", list(layers))
def test_a_layer_with_a_window_remembers_no_more_than_it(name: str) -> None:
    if "window" not in layers[name].settings.model_fields:
        pytest.skip("the layer has no window")
    for window in (1, 3):
        layer = build((name, small(name) | {"window": window}))
        state = None
        for lengths in ([4, 1], [0, 2], [1, 1], [3, 0]):
            inputs, sizes = ragged(lengths)
            _, state = layer(inputs, state, sizes)
            assert state.keys.shape[3] == state.real.shape[1] <= window - 1
        assert state.position.tolist() == [8, 4]


def test_shapes_in_signatures_are_checked(layer: SequenceLayer) -> None:
    """In the tests, by the import hook of conftest.py: here the lengths are those of another batch."""
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
