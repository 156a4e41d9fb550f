"""Every backend of every cell gives the same: fused = unrolled = native, with lengths, noise, both directions.

Whatever cell is registered is tested; a new one needs no line here.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqloom.nn import matrix_product
from seqloom.nn.layers.recurrent import RecurrentStack, StackSettings
from seqloom.nn.recurrence.cell import Cell, CellSettings, GatedCell, cells
from seqloom.nn.recurrence.gradient_norms import record_gradients
from seqloom.nn.recurrence.recurrent_layer import RecurrentLayer
from seqloom.nn.recurrence.types import States, Weights

BATCH, TIME, INPUT, HIDDEN = 4, 7, 5, 4
RAGGED = torch.tensor([3, 0, 7, 5])
CHOICES: dict[str, list[Any]] = {
    "activation": ["relu"],
    "reset": ["before"],
    "peephole": [True],
    "layer_norm": [True],
    "coupled": [True],
    "projection": [3],
}
NOISES: list[dict[str, float]] = [
    {},
    {"zoneout": 0.3, "zoneout_cell": 0.2},
    {"recurrent_dropout": 0.4, "weight_dropout": 0.2},
]


def variants(name: str) -> list[dict[str, Any]]:
    """Every combination of the options that the cell has."""
    known = [option for option in CHOICES if option in cells[name].settings.model_fields]
    sets = [[{}, *({option: value} for value in CHOICES[option])] for option in known]
    return [{key: value for part in parts for key, value in part.items()} for parts in itertools.product(*sets)]


def noisy(name: str) -> list[dict[str, float]]:
    """Each of NOISES that the cell has a setting for."""
    fields = cells[name].settings.model_fields
    kept = [{key: rate for key, rate in noise.items() if key in fields} for noise in NOISES]
    return [noise for place, noise in enumerate(kept) if noise or place == 0]


CASES = [
    pytest.param(name, variant, noise, id="-".join([name, *map(str, {**variant, **noise}.items())]))
    for name in cells
    for variant in variants(name)
    for noise in noisy(name)
]


def build(name: str, backward: bool = False, dtype: torch.dtype = torch.float64, **settings: Any) -> RecurrentLayer:
    """The layer with every parameter away from where it starts."""
    torch.manual_seed(1)
    cell = cells[name](INPUT, cells[name].settings(**{"hidden_size": HIDDEN, **settings}))  # type: ignore[call-arg]
    layer = RecurrentLayer(cell, backward=backward).to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


def values_and_gradients(layer: RecurrentLayer, backend: Any, lengths: Tensor | None, seed: int = 3) -> list[Tensor]:
    """Outputs, last states, and the gradients of a random function of them by all that they come from."""
    torch.manual_seed(seed)
    dtype = next(layer.parameters()).dtype
    inputs = torch.randn(BATCH, TIME, INPUT, dtype=dtype, requires_grad=True)
    states = [torch.randn(BATCH, size, dtype=dtype, requires_grad=True) for size in layer.cell.state_sizes]
    layer.forced_backend = backend
    outputs, last = layer(inputs, tuple(states), lengths)
    total = (outputs * torch.randn(outputs.shape, dtype=dtype)).sum()
    total = total + sum((state * torch.randn(state.shape, dtype=dtype)).sum() for state in last)
    sources = [inputs, *states, *layer.cell.parameters()]
    return [outputs, *last, *torch.autograd.grad(total, sources)]


@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["whole", "ragged"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize(("name", "variant", "noise"), CASES)
def test_every_backend_gives_the_same(
    name: str, variant: dict[str, Any], noise: dict[str, float], backward: bool, lengths: Tensor | None
) -> None:
    layer = build(name, backward, **variant, **noise)
    if not isinstance(layer.cell, GatedCell):
        pytest.skip("the cell has one backend only")
    expected = values_and_gradients(layer, "unrolled", lengths)
    backends = ["fused"] if noise or layer.cell.native_unsupported() else ["fused", "native"]
    for backend in backends:
        for got, value in zip(values_and_gradients(layer, backend, lengths), expected, strict=True):
            torch.testing.assert_close(got, value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "variant", "noise"), CASES)
def test_gradients_are_those_of_the_function(name: str, variant: dict[str, Any], noise: dict[str, float]) -> None:
    layer = build(name, **variant, **noise)
    inputs = torch.randn(3, 4, INPUT, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(3, size, dtype=torch.float64, requires_grad=True) for size in layer.cell.state_sizes]

    def function(inputs: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(5)  # equal noise each time
        outputs, last = layer(inputs, tensors[: len(states)], torch.tensor([4, 0, 2]))
        return outputs, *last

    assert torch.autograd.gradcheck(function, (inputs, *states, *layer.cell.parameters()), fast_mode=True)


TORCH = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@pytest.mark.parametrize("backend", ["fused", "unrolled", "native"])
@pytest.mark.parametrize("name", list(TORCH))
def test_torch_says_the_same(name: str, backend: Any) -> None:
    """torch's public module with our weights: values, and the gradient of the inputs and of every weight."""
    layer = build(name)
    cell: Any = layer.cell
    module: Any = TORCH[name](INPUT, HIDDEN, batch_first=True).double()
    with torch.no_grad():
        module.weight_ih_l0.copy_(cell.input_weight)
        module.weight_hh_l0.copy_(cell.recurrent_weight)
        module.bias_ih_l0.copy_(cell.bias)
        module.bias_hh_l0.zero_()
        if name == "gru":
            module.bias_hh_l0[2 * HIDDEN :] = cell.inner_bias
    inputs = torch.randn(BATCH, TIME, INPUT, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(BATCH, HIDDEN, dtype=torch.float64) for _ in cell.state_sizes]
    first: Any = tuple(state[None] for state in states)
    expected, last = module(inputs, first if name == "lstm" else first[0])
    layer.forced_backend = backend
    outputs, after = layer(inputs, tuple(states))
    for got, value in zip(after, last if name == "lstm" else [last], strict=True):
        torch.testing.assert_close(got, value[0], rtol=1e-10, atol=1e-10)
    weight = torch.randn_like(expected)
    theirs = torch.autograd.grad((expected * weight).sum(), [inputs, module.weight_ih_l0, module.weight_hh_l0])
    ours = torch.autograd.grad((outputs * weight).sum(), [inputs, cell.input_weight, cell.recurrent_weight])
    for got, value in zip((outputs, *ours), (expected, *theirs), strict=True):
        torch.testing.assert_close(got, value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "variant"), [(name, variant) for name in cells for variant in variants(name)])
def test_single_precision_is_close(name: str, variant: dict[str, Any]) -> None:
    """The fitted tanh of the float32 kernels, against the library's."""
    layer = build(name, dtype=torch.float32, **variant)
    expected = values_and_gradients(layer, "unrolled", RAGGED)
    for got, value in zip(values_and_gradients(layer, "fused", RAGGED), expected, strict=True):
        torch.testing.assert_close(got, value, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", list(cells))
def test_half_precision_inputs_are_taken(name: str) -> None:
    layer = build(name, dtype=torch.bfloat16)
    expected = values_and_gradients(layer, "unrolled", RAGGED)
    for got, value in zip(values_and_gradients(layer, "fused", RAGGED), expected, strict=True):
        assert got.dtype == torch.bfloat16
        torch.testing.assert_close(got, value, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(("hidden_size", "expected"), [(16, "native"), (512, "fused")])
def test_a_large_lstm_is_ours_in_bfloat16(hidden_size: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    layer = build("lstm", dtype=torch.float32, hidden_size=hidden_size)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.backend(torch.randn(2, 3, INPUT)).name == expected


@pytest.mark.parametrize(("name", "variant", "noise"), CASES)
def test_products_in_bfloat16_are_close(
    name: str, variant: dict[str, Any], noise: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under autocast, large products with the recurrent matrix are in bfloat16, and all else is as in float32."""
    layer = build(name, dtype=torch.float32, **variant, **noise)
    expected = values_and_gradients(layer, "fused", RAGGED)
    monkeypatch.setattr(matrix_product, "MIN_MULTIPLICATIONS", 2**40)
    with torch.autocast("cpu", torch.bfloat16):
        small = values_and_gradients(layer, "fused", RAGGED)
        monkeypatch.setattr(matrix_product, "MIN_MULTIPLICATIONS", 0)
        large = values_and_gradients(layer, "fused", RAGGED)
    # Normalised over 4 numbers, rounding grows from step to step, and gradients with it.
    compared, error = (1, 0.3) if "layer_norm" in variant else (len(expected), 0.05)
    for got, value in list(zip(large, expected, strict=True))[:compared]:
        assert got.dtype == value.dtype
        assert torch.linalg.vector_norm(got - value) <= error * torch.linalg.vector_norm(value)
    has_matrix = isinstance(layer.cell, GatedCell) and layer.cell.weights()[0] is not None
    assert torch.equal(large[0], small[0]) == (not has_matrix)


@pytest.mark.parametrize("backend", [None, "fused"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", list(cells))
def test_what_is_not_finite_is_not_hidden(name: str, value: float, backend: Any) -> None:
    layer = build(name, dtype=torch.float32)
    inputs = torch.randn(2, 5, INPUT)
    inputs[0, 2, 0] = value
    layer.forced_backend = "unrolled"
    expected, _ = layer(inputs, layer.initial_states(2))
    layer.forced_backend = backend
    outputs, _ = layer(inputs, layer.initial_states(2))
    assert torch.equal(outputs.isnan(), expected.isnan())


def test_gradients_can_be_asked_for_twice() -> None:
    """The backward pass leaves what the forward pass saved as it was."""
    for name in cells:
        layer, inputs = build(name), torch.randn(2, 3, INPUT, dtype=torch.float64, requires_grad=True)
        outputs, _ = layer(inputs, layer.initial_states(2))
        first = torch.autograd.grad(outputs.sum(), inputs, retain_graph=True)
        second = torch.autograd.grad(outputs.sum(), inputs)
        assert torch.equal(first[0], second[0])


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("batch", [1, 2])
def test_outputs_may_be_changed_in_place(batch: int, backward: bool) -> None:
    layer = build("lstm", backward)
    inputs = torch.randn(batch, 3, INPUT, dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(layer(inputs, layer.initial_states(batch))[0].sum(), inputs)[0]
    outputs, (hidden, cell) = layer(inputs, layer.initial_states(batch))
    total = outputs.sum()
    with torch.no_grad():
        outputs.zero_(), hidden.zero_(), cell.zero_()
    assert torch.equal(torch.autograd.grad(total, inputs)[0], expected)


def test_a_path_says_why() -> None:
    inputs = torch.randn(2, 3, INPUT)
    assert build("gru", dtype=torch.float32).backend(inputs).name == "fused"
    plain = build("lstm", dtype=torch.float32)
    assert plain.backend(inputs).name == "native"
    assert "unequal length" in plain.backend(inputs, torch.tensor([1, 2])).reason
    peephole = build("lstm", peephole=True, layer_norm=True).backend(inputs)
    assert peephole.name == "fused"
    assert "no peephole connections and no layer normalisation" in peephole.reason
    assert "zoneout" in build("lstm", zoneout=0.1).backend(inputs).reason
    assert "before" not in build("gru", reset="before").backend(inputs).reason
    assert build("gru", reset="before").backend(inputs.to("meta")).name == "unrolled"
    assert build("gru").backend(inputs.to("meta")) == ("native", "one call of torch's own kernel")
    assert build("mingru").backend(inputs.to("meta")) == ("native", "one call of a parallel scan")
    assert build("mingru").backend(inputs) == ("fused", "faster on a CPU than a parallel scan")
    with record_gradients(plain):
        assert plain.backend(inputs) == ("fused", "gradients are recorded")


class Leaky(Cell):
    """A cell of a user's own: a step, and nothing else. Its output is not its state."""

    def __init__(self, input_size: int, settings: CellSettings) -> None:
        super().__init__()
        self.input_size, self.output_size, self.state_sizes = input_size, 3, (settings.hidden_size,)
        self.taken = nn.Linear(input_size, settings.hidden_size)
        self.given = nn.Linear(settings.hidden_size, 3)

    def forward(self, element: Tensor, states: States) -> tuple[Tensor, States]:
        state = 0.9 * states[0] + 0.1 * torch.tanh(self.taken(element))
        return self.given(state), (state,)


class Accumulating(GatedCell):
    """A gated cell of a user's own: its work on its inputs apart, and no kernel."""

    def __init__(self, input_size: int, settings: CellSettings) -> None:
        super().__init__()
        hidden = settings.hidden_size
        self.input_size, self.output_size, self.state_sizes = input_size, hidden, (hidden,)
        self.input_weight = nn.Parameter(torch.randn(hidden, input_size))

    def weights(self) -> Weights:
        return ()

    def step(self, projected: Tensor, states: States, weights: Weights, dropout_mask: Tensor | None = None) -> States:
        assert weights == ()
        assert dropout_mask is None
        return (0.9 * states[0] + torch.tanh(projected),)


class LeakySettings(CellSettings, StackSettings):
    pass


def own_stack(cell: type[Cell] = Leaky) -> RecurrentStack:
    return RecurrentStack(INPUT, LeakySettings(hidden_size=HIDDEN, num_layers=2), cell).double()


@pytest.mark.parametrize("cell", [Leaky, Accumulating])
def test_a_cell_with_a_step_alone_works(cell: type[Cell]) -> None:
    stack, inputs = own_stack(cell), torch.randn(3, 6, INPUT, dtype=torch.float64)
    outputs, state = stack(inputs)
    assert outputs.shape == (3, 6, stack.output_size)
    first, between = stack(inputs[:, :4])
    second, after = stack(inputs[:, 4:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), outputs)
    torch.testing.assert_close(after[1][0], state[1][0])
    ragged, _ = stack(inputs, None, torch.tensor([6, 0, 2]))
    torch.testing.assert_close(ragged[2, :2], stack(inputs[2:, :2])[0][0])
    with torch.no_grad():
        torch.testing.assert_close(stack.eval()(inputs[:, :1])[0], outputs[:, :1])
    reason = "the cell has no fused kernel" if cell is Accumulating else "Leaky defines a step only"
    assert stack.backends(inputs) == [("unrolled", reason)] * 2


@pytest.mark.parametrize("backend", ["fused", "unrolled"])
@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", list(cells))
def test_recorded_gradients_are_those_of_the_memories(name: str, lengths: Tensor | None, backend: Any) -> None:
    """Against autograd, asked for the gradient of every state of a loop of single steps."""
    layer = build(name)
    layer.forced_backend = backend
    inputs = torch.randn(BATCH, TIME, INPUT, dtype=torch.float64)
    weight = torch.randn(BATCH, TIME, layer.cell.output_size, dtype=torch.float64)
    with record_gradients(layer) as record:
        outputs, _ = layer(inputs, layer.initial_states(BATCH), lengths)
        (outputs * weight).sum().backward()
    for row in range(BATCH):
        length = TIME if lengths is None else int(lengths[row])
        states, passed, total = layer.initial_states(1), [], torch.zeros((), dtype=torch.float64)
        for step in range(length):
            output, states = layer.cell(inputs[row, step][None], states)
            states = tuple(state.requires_grad_() for state in states)
            passed.append(states)
            total = total + (output * weight[row, step]).sum()
        for number, norms in enumerate(record[""]):
            assert not norms[row, length:].any()
            if length:
                found = torch.autograd.grad(total, [state[number] for state in passed], retain_graph=True)
                expected = torch.stack([gradient.norm() for gradient in found])
                torch.testing.assert_close(norms[row, :length].double(), expected, rtol=1e-5, atol=1e-6)


def test_a_record_lays_chunks_end_to_end_and_ends_with_its_block() -> None:
    stack = own_stack()
    inputs = torch.randn(2, 5, INPUT, dtype=torch.float64)
    with record_gradients(stack) as record:
        first, state = stack(inputs[:, :3])
        second, _ = stack(inputs[:, 3:], state)
        (first.sum() + second.sum()).backward()
    assert sorted(record) == ["stack.0", "stack.1"]
    assert record["stack.1"][0].shape == (2, 5)
    assert record["stack.1"][0].all()
    stack(inputs)[0].sum().backward()
    assert record["stack.1"][0].shape == (2, 5)


def test_a_residual_stack_adds_what_it_takes() -> None:
    settings: Any = LeakySettings(hidden_size=3, num_layers=2, residual=True)
    torch.manual_seed(0)
    stack = RecurrentStack(INPUT, settings, Leaky)
    inputs = torch.randn(2, 4, INPUT)
    first, _ = stack.stack[0](inputs, stack.stack[0].initial_states(2), None)
    second, _ = stack.stack[1](first, stack.stack[1].initial_states(2), None)
    torch.testing.assert_close(stack(inputs)[0], first + second)


def test_chrono_initialisation_spreads_over_the_time_scale() -> None:
    settings = cells["lstm"].settings(hidden_size=1000, time_scale=100.0)  # type: ignore[call-arg]
    cell: Any = cells["lstm"](INPUT, settings)
    assert cell.bias.shape == (4000,)
    i, f = cell.bias[:1000], cell.bias[1000:2000]
    assert torch.equal(i, -f)
    steps = f.exp()
    assert 1 <= steps.min() < 5
    assert 90 < steps.max() <= 99


def test_zoneout_in_use_keeps_its_expected_share() -> None:
    layer = build("gru", zoneout=0.25).eval()
    inputs, states = torch.randn(2, 1, INPUT, dtype=torch.float64), layer.initial_states(2)
    (plain,) = layer.cell(inputs[:, 0], states)[1]
    torch.testing.assert_close(layer(inputs, states)[0][:, 0], 0.25 * states[0] + 0.75 * plain)
