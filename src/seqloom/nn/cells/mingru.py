"""The minimal gated recurrent unit (Feng et al. 2024, "Were RNNs All We Needed?"): its gates do not depend on its
state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqloom.nn.recurrence.cell import CellSettings, GatedCell, cells
from seqloom.nn.recurrence.initialization import chrono_bias, input_matrix
from seqloom.nn.recurrence.types import States, Weights

if TYPE_CHECKING:
    from seqloom.nn.kernels.fused_recurrence import Kernel
    from seqloom.nn.recurrence.step_schedule import StepSchedule


class MinGRUSettings(CellSettings):
    zoneout: float = Field(0.0, ge=0, lt=1, description="rate of zoneout: a hidden state keeps its previous value")
    time_scale: float = Field(
        0.0, ge=0, le=1e9, description="longest expected dependency, in steps, for chrono initialisation; 0: none"
    )


@cells.register("mingru")
class MinGRU(GatedCell):
    """A GRU whose gates do not depend on its hidden state (Feng et al. 2024).

    The gates are in the order z, n. z is the share that is kept, as in this project's GRU: the paper's z is 1 - z here.

    z_t = sigmoid(W_z x_t + b_z)
    n_t = W_n x_t + b_n
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}   Feng et al. 2024, section 3.1

    It is linear in its state, so a sequence is one parallel scan over time, on any device.
    """

    settings = MinGRUSettings
    description = "A minimal GRU: its gates see the input alone, so it can run in parallel over time."
    source = "Feng et al. 2024"

    def __init__(self, input_size: int, settings: MinGRUSettings) -> None:
        super().__init__()
        hidden = settings.hidden_size
        self.input_size, self.output_size, self.state_sizes = input_size, hidden, (hidden,)
        self.zoneout = (settings.zoneout,)
        self.input_weight = input_matrix(2, hidden, input_size)
        self.bias = nn.Parameter(torch.zeros(2 * hidden))
        if settings.time_scale > 2:
            self.bias.data[:hidden] = chrono_bias(hidden, settings.time_scale)

    def weights(self) -> Weights:
        return None, self.bias

    def step(self, projected: Tensor, states: States, weights: Weights, dropout_mask: Tensor | None = None) -> States:
        assert dropout_mask is None, "there is no recurrent product"
        (hidden,), (_, bias) = states, weights
        assert bias is not None
        z, n = (projected + bias).chunk(2, dim=1)
        return (n + torch.sigmoid(z) * (hidden - n),)

    def kernel(self) -> type[Kernel]:
        from seqloom.nn.kernels.mingru import MinGRUKernel

        return MinGRUKernel

    native_name = "a parallel scan"

    def native_unsupported(self) -> str:
        return ""

    def native(self, inputs: Tensor, schedule: StepSchedule, states: States, weights: Weights) -> tuple[Tensor, States]:
        assert weights[1] is not None
        gates = PackedSequence(self.project(schedule.pack(inputs)) + weights[1], torch.tensor(schedule.batch_sizes))
        by_step, lengths = pad_packed_sequence(gates)
        z, n = by_step.chunk(2, dim=2)
        keep = torch.sigmoid(z)
        outputs = pack_padded_sequence(linear_scan(keep, n - keep * n, states[0]), lengths).data
        return schedule.unpack(outputs), (schedule.last_states(outputs),)


def linear_scan(
    keep: Float[Tensor, "time batch size"], new: Float[Tensor, "time batch size"], start: Float[Tensor, "batch size"]
) -> Float[Tensor, "time batch size"]:
    """h_t = keep_t * h_{t-1} + new_t for all t at once, in ceil(log2(time)) rounds (Hillis and Steele 1986).

    After round k, `new` at each step is the state that the last 2^k steps alone would produce.
    """
    new = torch.cat([new[:1] + keep[:1] * start, new[1:]])
    span = 1
    while span < len(new):
        new = torch.cat([new[:span], new[span:] + keep[span:] * new[:-span]])
        keep = torch.cat([keep[:span], keep[span:] * keep[:-span]])
        span *= 2
    return new
