"""Maps whose Lyapunov exponents are known, as cells; Jacobians and bounds of known recurrences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from seqloom.explain.measures.dynamics import lyapunov_exponents, pascanu_bound, singular_values
from seqloom.nn.cells.gru import GRU, GRUSettings
from seqloom.nn.cells.lstm import LSTM, LSTMSettings
from seqloom.nn.cells.rnn import RNN, RNNSettings
from seqloom.nn.recurrence.cell import Cell
from seqloom.nn.recurrence.types import States


class Logistic(Cell):
    """x -> 4 x (1 - x), whose exponent is log 2."""

    def forward(self, element: Tensor, states: States) -> tuple[Tensor, States]:  # noqa: ARG002
        (x,) = states
        x = 4 * x * (1 - x)
        return x, (x,)


class Henon(Cell):
    """(x, y) -> (1 - 1.4 x^2 + y, 0.3 x): exponents 0.419 and log 0.3 - 0.419 (Sprott 2003)."""

    def forward(self, element: Tensor, states: States) -> tuple[Tensor, States]:  # noqa: ARG002
        x, y = states
        x, y = 1 - 1.4 * x**2 + y, 0.3 * x
        return x, (x, y)


class Rotation(Cell):
    """A turn of the plane by one radian, which keeps all lengths."""

    def forward(self, element: Tensor, states: States) -> tuple[Tensor, States]:  # noqa: ARG002
        x, y = states
        x, y = x * math.cos(1.0) - y * math.sin(1.0), x * math.sin(1.0) + y * math.cos(1.0)
        return x, (x, y)


def exponents(cell: Cell, steps: int, *start: float) -> list[float]:
    states = tuple(torch.tensor([[value]], dtype=torch.float64) for value in start)
    return lyapunov_exponents(cell, torch.zeros(1, steps, 1, dtype=torch.float64), states)


def test_the_logistic_map_doubles_distances() -> None:
    (measured,) = exponents(Logistic(), 2_000, 0.3)
    assert measured == pytest.approx(math.log(2), rel=0.02)


def test_the_henon_map_has_its_known_exponents() -> None:
    first, second = exponents(Henon(), 4_000, 0.1, 0.1)
    assert first == pytest.approx(0.419, rel=0.02)
    assert second == pytest.approx(math.log(0.3) - 0.419, rel=0.02)


def test_a_rotation_neither_stretches_nor_shrinks() -> None:
    assert exponents(Rotation(), 500, 1.0, 0.5) == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize(
    "cell",
    [RNN(3, RNNSettings(hidden_size=5)), GRU(3, GRUSettings(hidden_size=5)), LSTM(3, LSTMSettings(hidden_size=5))],
    ids=lambda cell: type(cell).__name__,
)
def test_singular_values_are_those_of_the_whole_jacobian(cell: Cell) -> None:
    inputs = torch.randn(1, 6, 3)
    states = tuple(0.3 * torch.randn(1, 5) for _ in cell.state_sizes)
    measured = singular_values(cell, inputs, states)
    expected = []
    for element in inputs.unbind(1):

        def joined(flat: Tensor, element: Tensor = element) -> Tensor:
            return torch.cat(cell(element, tuple(flat[None].split(5, dim=1)))[1], dim=1)[0]

        jacobian = torch.autograd.functional.jacobian(joined, torch.cat(states, dim=1)[0])
        expected.append(float(torch.linalg.matrix_norm(jacobian, 2)))
        states = cell(element, states)[1]
    assert measured == pytest.approx(expected, rel=0.02)


def test_pascanus_bound_is_the_norm_of_the_recurrent_matrix() -> None:
    cell = RNN(2, RNNSettings(hidden_size=4))
    assert pascanu_bound(cell) == pytest.approx(1.0, rel=1e-5)  # orthogonal
    cell.recurrent_weight.data *= 0.7
    assert pascanu_bound(cell) == pytest.approx(0.7, rel=1e-5)
    assert pascanu_bound(LSTM(2, LSTMSettings(hidden_size=4))) is None
