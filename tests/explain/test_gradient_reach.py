"""Gradients of recurrences whose decay is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqloom.explain.measures.gradient_reach import GradientReach, gradient_reach, rows_by_lag
from seqloom.explain.probes.probe import Attributable, EndLoss, NetworkProbe
from seqloom.nn.cells.lstm import LSTM, LSTMSettings
from seqloom.nn.recurrence.cell import GatedCell
from seqloom.nn.recurrence.recurrent_layer import RecurrentLayer
from seqloom.nn.recurrence.types import States, Weights

TIME, SIZE = 120, 12


class LinearRNN(GatedCell):
    """h_t = x_t + U h_{t-1}, U of a given spectral radius, with complex eigenvalues, not normal."""

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.input_size = self.output_size = SIZE
        self.state_sizes = (SIZE,)
        self.input_weight = nn.Parameter(torch.eye(SIZE))
        generator = torch.Generator().manual_seed(1)
        matrix = torch.randn(SIZE, SIZE, generator=generator)
        self.recurrent_weight = nn.Parameter(matrix * radius / torch.linalg.eigvals(matrix).abs().max())

    def weights(self) -> Weights:
        return self.recurrent_weight, None

    def step(self, projected: Tensor, states: States, weights: Weights, dropout_mask: Tensor | None = None) -> States:  # noqa: ARG002
        assert weights[0] is not None
        return (projected + states[0] @ weights[0].T,)


class RandomInputs(NetworkProbe):
    """Rows of random numbers; the loss is a fixed random direction of the last output."""

    longest = TIME

    def __init__(self, network: nn.Module, lengths: np.ndarray | None = None, backward: bool = False) -> None:
        self.network = network
        self.inputs = torch.randn(8, TIME, SIZE)
        self.lengths = np.full(8, TIME) if lengths is None else lengths
        self.backward = backward

    def losses(self, context: int) -> np.ndarray:
        raise NotImplementedError

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:
        assert at_start == self.backward
        layer = network.layer
        lengths = torch.from_numpy(self.lengths)
        ragged = None if bool((lengths == TIME).all()) else lengths
        outputs, _ = layer(self.inputs, layer.initial_states(8), ragged)
        end = outputs[:, 0] if at_start else outputs[torch.arange(8), lengths - 1]
        return EndLoss((end * torch.linspace(-1, 1, SIZE)).sum(), {"": self.lengths})

    def example(self, number: int, text: str | None) -> Attributable:
        raise NotImplementedError


class Holder(nn.Module):
    def __init__(self, layer: RecurrentLayer) -> None:
        super().__init__()
        self.layer = layer


@pytest.mark.parametrize("radius", [0.8, 0.95, 1.05])
def test_the_decay_of_a_linear_recurrence_is_its_spectral_radius(radius: float) -> None:
    (reach,) = gradient_reach(RandomInputs(Holder(RecurrentLayer(LinearRNN(radius)))))
    assert reach.decay == pytest.approx(radius, rel=0.01)
    if radius < 1:
        assert reach.half_life == pytest.approx(math.log(0.5) / math.log(radius), rel=0.15)
    else:
        assert reach.half_life is None


def test_norms_are_those_of_the_chain_rule() -> None:
    cell = LinearRNN(0.9)
    (reach,) = gradient_reach(RandomInputs(Holder(RecurrentLayer(cell))))
    gradient = torch.linspace(-1, 1, SIZE)
    for lag in range(4):
        assert reach.mean[lag] == pytest.approx(float(torch.linalg.vector_norm(gradient)), rel=1e-4)
        gradient = cell.recurrent_weight.detach().T @ gradient


def test_a_backward_layer_is_measured_from_its_own_end() -> None:
    layer = RecurrentLayer(LinearRNN(0.9), backward=True)
    (reach,) = gradient_reach(RandomInputs(Holder(layer), backward=True))
    assert reach.decay == pytest.approx(0.9, rel=0.01)


def test_an_lstm_has_a_hidden_and_a_cell_state_and_shorter_rows_have_fewer_lags() -> None:
    lengths = np.array([TIME, 30, 60, TIME, 90, 10, 80, 50])
    probe = RandomInputs(Holder(RecurrentLayer(LSTM(SIZE, LSTMSettings(hidden_size=SIZE)))), lengths)
    hidden, cell = gradient_reach(probe)
    assert (hidden.state, cell.state) == ("hidden state", "cell state")
    assert hidden.mean[0] > 0
    assert len(hidden.lags) == TIME  # a quarter of the rows is as long
    assert all(low <= median <= high for low, median, high in zip(cell.low, cell.median, cell.high, strict=True))


def test_rows_are_turned_into_lags() -> None:
    norms = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]])
    by_lag = rows_by_lag(norms, np.array([3, 2]))
    assert np.array_equal(by_lag, [[3, 2, 1], [5, 4, np.nan]], equal_nan=True)
    assert rows_by_lag(norms, np.array([3, 2]), backward=True)[1, :2].tolist() == [4, 5]


def test_gradients_that_are_zero_have_no_decay() -> None:
    reach = GradientReach.of("layer", "hidden state", np.array([[1.0, 0.0, 0.0]]))
    assert math.isnan(reach.decay)
    assert reach.reach == 0
