"""The contract of layers as checks, for layers outside of Seqloom. The checks need only torch.

In a test:

@pytest.mark.parametrize("check", LAYER_CHECKS, ids=lambda check: check.__name__)
def test_my_layer(check):
    check(lambda: MyLayer(6, MySettings()))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seqloom.nn.layer import SequenceLayer, State, detach, map_state, restore_state, select_rows, state_tensors

MakeLayer = Callable[[], SequenceLayer]
"""Builds a new layer of the same sizes at every call."""

_TOLERANCE = 1e-10


def check_layer(make: MakeLayer) -> None:
    """Raises AssertionError with the name of the failed check if a layer breaks the contract of `SequenceLayer`."""
    for check in LAYER_CHECKS:
        try:
            check(make)
        except AssertionError as error:
            raise AssertionError(f"{check.__name__}: {error}") from error


def prepared(make: MakeLayer, dtype: torch.dtype = torch.float64) -> SequenceLayer:
    """The layer as the checks need it: no dropout, and no parameter (learned initial states included) equal to zero."""
    torch.manual_seed(1)
    layer = make().to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer.eval()


def in_chunks(layer: SequenceLayer, inputs: Tensor, sizes: Sequence[int]) -> tuple[Tensor, State]:
    """The outputs of a sequence that is processed in chunks of these sizes, and the state after the last chunk."""
    parts: list[Tensor] = []
    state: State | None = None
    for chunk in torch.split(inputs, list(sizes), dim=1):
        output, state = layer(chunk, state)
        parts.append(output)
    return torch.cat(parts, dim=1), state


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = _TOLERANCE) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def chunks_equal_the_whole(make: MakeLayer) -> None:
    """A sequence in chunks, down to single elements, gives the outputs and the state of the whole sequence."""
    layer = prepared(make)
    if not layer.causal:
        return
    inputs, more = _inputs(layer, 3, 9), _inputs(layer, 3, 4)
    full_outputs, after = layer(inputs)
    assert full_outputs.shape == (3, 9, layer.output_size), f"outputs have the shape {tuple(full_outputs.shape)}"
    for sizes in ([9], [4, 5], [1, 3, 2, 3], [1] * 9, [8, 1]):
        chunked, after_chunks = in_chunks(layer, inputs, sizes)
        assert_close(chunked, full_outputs)
        assert_close(layer(more, after_chunks)[0], layer(more, after)[0])


def no_state_is_the_initial_state(make: MakeLayer) -> None:
    layer = prepared(make)
    inputs = _inputs(layer, 3, 5)
    assert_close(layer(inputs, layer.initial_state(3))[0], layer(inputs)[0])


def ragged_chunks_equal_rows_alone(make: MakeLayer) -> None:
    """Each row of each chunk equals this row alone without padding, and so does a full chunk afterwards."""
    layer = prepared(make)
    if not layer.causal:
        return
    for chunks in (
        [[5, 1, 3]],
        [[2, 5, 3], [4, 1, 4]],
        [[0, 5, 3], [3, 0, 1], [2, 2, 0]],
        [[0, 0, 2], [0, 3, 2], [0, 0, 0]],
    ):
        _check_ragged_chunks(layer, chunks)


def _check_ragged_chunks(layer: SequenceLayer, chunks: list[list[int]]) -> None:
    state: State | None = None
    alone: list[list[Tensor]] = [[] for _ in chunks[0]]
    outputs: list[list[Tensor]] = [[] for _ in chunks[0]]
    for lengths in chunks:
        inputs = _inputs(layer, len(lengths), max(*lengths, 2))
        output, state = layer(inputs, state, torch.tensor(lengths))
        for row, length in enumerate(lengths):
            alone[row].append(inputs[row, :length])
            outputs[row].append(output[row, :length])
    more = _inputs(layer, len(alone), 4)
    final, _ = layer(more, state)
    for row, parts in enumerate(alone):
        expected, _ = layer(torch.cat([*parts, more[row]])[None])
        assert_close(torch.cat([*outputs[row], final[row]]), expected[0])


def ragged_rows_equal_rows_alone(make: MakeLayer) -> None:
    """Rows of unequal length in one call, one of them empty, equal the rows alone; so do the states of a layer that is
    not causal."""
    layer = prepared(make)
    lengths = torch.tensor([3, 0, 6, 1, 6])
    inputs = _inputs(layer, 5, 6)
    output, state = layer(inputs, None, lengths)
    for row, length in enumerate(lengths.tolist()):
        if not length:
            continue
        expected, after = layer(inputs[row : row + 1, :length])
        assert_close(output[row : row + 1, :length], expected)
        if not layer.causal:
            state_of_row = state_tensors(select_rows(state, torch.tensor([row])))
            for part, other in zip(state_of_row, state_tensors(after), strict=True):
                assert_close(part, other)


def full_lengths_change_nothing(make: MakeLayer) -> None:
    layer = prepared(make)
    inputs = _inputs(layer, 2, 4)
    assert_close(layer(inputs, None, torch.tensor([4, 4]))[0], layer(inputs)[0])


def a_row_without_elements_keeps_its_state(make: MakeLayer) -> None:
    layer = prepared(make)
    _, state = layer(_inputs(layer, 2, 5))
    _, after = layer(_inputs(layer, 2, 2), state, torch.tensor([0, 2]))
    more = _inputs(layer, 2, 3)
    assert_close(layer(more, after)[0][0], layer(more, state)[0][0])


def padding_changes_nothing(make: MakeLayer) -> None:
    """The values after a row's last element, even NaN and infinity, change no output, no state and no gradient."""
    layer = prepared(make)
    inputs, more, lengths = _inputs(layer, 4, 5), _inputs(layer, 4, 2), torch.tensor([2, 5, 0, 3])
    real = torch.arange(5) < lengths[:, None]
    carried = layer(_inputs(layer, 4, 3))[1]

    def run(padding: float, state: State | None) -> tuple[Tensor, ...]:
        layer.zero_grad()
        padded = inputs.masked_fill(~real[..., None], padding).requires_grad_()
        output, after = layer(padded, None if state is None else detach(state), lengths)
        final, _ = layer(more, after)
        (output[real].pow(2).sum() + final.pow(2).sum()).backward()
        assert padded.grad is not None
        gradients = [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]
        return output[real].detach(), final.detach(), padded.grad[real], *gradients

    for state in (None, carried):
        expected = run(0.0, state)
        for garbage in (float("nan"), float("inf"), 1e30, -1e3):
            for actual, reference in zip(run(garbage, state), expected, strict=True):
                assert_close(actual, reference)


def the_future_changes_nothing(make: MakeLayer) -> None:
    """The output of a causal layer at a step depends only on the inputs up to this step."""
    layer = prepared(make)
    if not layer.causal:
        return
    inputs = _inputs(layer, 2, 7).requires_grad_()
    output, _ = layer(inputs)
    for step in (0, 3, 5):
        (gradient,) = torch.autograd.grad(output[:, step].sum(), inputs, retain_graph=True)
        assert not gradient[:, step + 1 :].any(), f"step {step} depends on later inputs"
        assert gradient[:, step].any(), f"step {step} does not depend on its own input"


def rows_do_not_see_each_other(make: MakeLayer) -> None:
    layer = prepared(make)
    inputs, order = _inputs(layer, 3, 5), torch.tensor([2, 0])
    assert_close(layer(inputs[order])[0], layer(inputs)[0][order])


def gradients_reach_every_parameter(make: MakeLayer) -> None:
    layer = prepared(make).train()
    output, _ = layer(_inputs(layer, 2, 6).requires_grad_())
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.any() or not parameter.numel(), f"the gradient of {name} is zero"


def gradients_are_those_of_the_function(make: MakeLayer) -> None:
    """The gradients equal finite differences, for rows of unequal length and through the state."""
    layer = prepared(make)
    lengths = torch.tensor([3, 1])
    weights = torch.randn(2, 3, layer.output_size, dtype=torch.float64)
    real = torch.arange(3) < lengths[:, None]

    def loss(inputs: Tensor, *_: Tensor) -> Tensor:
        first, state = layer(inputs, None, lengths)
        second, _ = layer(inputs, state)
        return ((first * weights)[real]).sum() + (second * weights).sum()

    inputs = _inputs(layer, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(loss, (inputs, *layer.parameters()), fast_mode=True)


def gradients_end_where_the_state_is_detached(make: MakeLayer) -> None:
    layer = prepared(make)
    inputs = _inputs(layer, 2, 3).requires_grad_()
    more = _inputs(layer, 2, 1)
    _, state = layer(inputs)
    through = layer(more, state)[0].sum()
    if any(tensor.numel() and tensor.requires_grad for tensor in state_tensors(state)):
        assert torch.autograd.grad(through, inputs)[0].any(), "no gradient flows through the state"
    cut, _ = layer(more, detach(state))
    if cut.requires_grad:
        assert torch.autograd.grad(cut.sum(), inputs, allow_unused=True)[0] is None


def saved_weights_give_the_same_outputs(make: MakeLayer) -> None:
    layer, other = prepared(make), make().double().eval()
    inputs = _inputs(layer, 2, 5)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(inputs)[0], layer(inputs)[0])


def states_are_batch_first_and_keep_their_shape(make: MakeLayer) -> None:
    """Every tensor of a state has a row for each row of the batch; a state can be split into tensors and restored."""
    layer = prepared(make)
    _, state = layer(_inputs(layer, 3, 5))
    assert all(tensor.shape[0] == 3 for tensor in state_tensors(state) + state_tensors(layer.initial_state(3)))
    assert all(not tensor.requires_grad for tensor in state_tensors(detach(state)))
    rebuilt = restore_state(layer.initial_state(1), list(state_tensors(state)))
    assert type(rebuilt) is type(state)
    assert all(a is b for a, b in zip(state_tensors(rebuilt), state_tensors(state), strict=True))
    copy, more = map_state(Tensor.clone, state), _inputs(layer, 3, 2)
    assert torch.equal(layer(more, copy)[0], layer(more, state)[0])


def selected_rows_continue_from_their_states(make: MakeLayer) -> None:
    layer = prepared(make)
    rows, more = torch.tensor([2, 0, 2]), _inputs(layer, 3, 2)
    _, state = layer(_inputs(layer, 3, 4), None, torch.tensor([1, 4, 3]))
    assert_close(layer(more[rows], select_rows(state, rows))[0], layer(more, state)[0][rows])


def a_call_changes_neither_inputs_nor_state(make: MakeLayer) -> None:
    layer = prepared(make)
    inputs = _inputs(layer, 2, 5)
    _, state = layer(inputs)
    before = [tensor.clone() for tensor in (inputs, *state_tensors(state))]
    layer(inputs, state, torch.tensor([5, 2]))
    assert all(torch.equal(a, b) for a, b in zip(before, (inputs, *state_tensors(state)), strict=True))


def mixed_precision_is_close(make: MakeLayer) -> None:
    """Two chunks with lengths under autocast to bfloat16 are close to the whole sequence in float32."""
    layer = prepared(make, torch.float32)
    if not layer.causal:
        return
    inputs = torch.randn(2, 8, layer.input_size)
    expected, _ = layer(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        first, state = layer(inputs[:, :5], None, torch.tensor([5, 5]))
        second, _ = layer(inputs[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1).float(), expected, rtol=0.1, atol=0.15)


def _inputs(layer: SequenceLayer, batch: int, time: int) -> Tensor:
    return torch.randn(batch, time, layer.input_size, dtype=torch.float64)


LAYER_CHECKS: tuple[Callable[[MakeLayer], None], ...] = (
    chunks_equal_the_whole,
    no_state_is_the_initial_state,
    ragged_chunks_equal_rows_alone,
    ragged_rows_equal_rows_alone,
    full_lengths_change_nothing,
    a_row_without_elements_keeps_its_state,
    padding_changes_nothing,
    the_future_changes_nothing,
    rows_do_not_see_each_other,
    gradients_reach_every_parameter,
    gradients_are_those_of_the_function,
    gradients_end_where_the_state_is_detached,
    saved_weights_give_the_same_outputs,
    states_are_batch_first_and_keep_their_shape,
    selected_rows_continue_from_their_states,
    a_call_changes_neither_inputs_nor_state,
    mixed_precision_is_close,
)
"""All checks, for a parametrised test."""
