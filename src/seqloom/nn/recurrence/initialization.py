"""Initial weights of recurrent cells."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def recurrent_matrix(num_gates: int, gate_size: int, input_size: int) -> nn.Parameter:
    """(num_gates * gate_size, input_size), orthogonal for each gate, so that it preserves norms (Saxe et al. 2014)."""
    return _by_gate(num_gates, gate_size, input_size, nn.init.orthogonal_)


def input_matrix(num_gates: int, gate_size: int, input_size: int) -> nn.Parameter:
    """(num_gates * gate_size, input_size), Glorot-uniform for each gate (Glorot and Bengio 2010)."""
    return _by_gate(num_gates, gate_size, input_size, nn.init.xavier_uniform_)


def _by_gate(num_gates: int, gate_size: int, input_size: int, initialise: Callable[[Tensor], Tensor]) -> nn.Parameter:
    # Allocated as one matrix, so that a size that does not fit in memory fails at once.
    matrix = torch.empty(num_gates * gate_size, input_size)
    for gate in matrix.split_with_sizes([gate_size] * num_gates):
        initialise(gate)
    return nn.Parameter(matrix)


def chrono_bias(size: int, time_scale: float) -> Tensor:
    """log(u), u uniform in [1, time_scale - 1]: gates that forget over u steps (Tallec and Ollivier 2018, section
    2)."""
    return torch.empty(size).uniform_(1.0, time_scale - 1.0).log_()
