"""How the weights of recurrent cells start."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def recurrent_matrix(num_gates: int, gate_size: int, input_size: int) -> nn.Parameter:
    """(num_gates * gate_size, input_size), orthogonal a gate (Saxe et al. 2014), so that it keeps norms."""
    return _by_gate(num_gates, gate_size, input_size, nn.init.orthogonal_)


def input_matrix(num_gates: int, gate_size: int, input_size: int) -> nn.Parameter:
    """(num_gates * gate_size, input_size), Glorot-uniform a gate."""
    return _by_gate(num_gates, gate_size, input_size, nn.init.xavier_uniform_)


def _by_gate(num_gates: int, gate_size: int, input_size: int, start: Callable[[Tensor], Tensor]) -> nn.Parameter:
    matrix = torch.empty(num_gates * gate_size, input_size)  # whole, so that a size beyond memory is refused at once
    for gate in matrix.split_with_sizes([gate_size] * num_gates):
        start(gate)
    return nn.Parameter(matrix)


def chrono_bias(size: int, time_scale: float) -> Tensor:
    """log(u), u uniform in [1, time_scale - 1]: gates that forget over u steps (Tallec and Ollivier 2018)."""
    return torch.empty(size).uniform_(1.0, time_scale - 1.0).log_()
