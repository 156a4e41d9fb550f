"""The minimal gated recurrent unit (Feng et al. 2024, "Were RNNs All We Needed?"): its gates do not see its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqloom.nn.recurrence.cell import CellSettings, GatedCell, Memories, Weights, cells
from seqloom.nn.recurrence.initialization import chrono_bias, input_matrix

if TYPE_CHECKING:
    from seqloom.nn.kernels.kernel import Kernel
    from seqloom.nn.recurrence.step_schedule import StepSchedule


class MinGRUSettings(CellSettings):
    zoneout: float = Field(0.0, ge=0, lt=1, description="rate at which hidden states keep their former value")
    time_scale: float = Field(
        0.0, ge=0, le=1e9, description="longest expected dependency in steps, for chrono initialisation; 0: none"
    )


@cells.register("mingru")
class MinGRU(GatedCell):
    """Feng et al. 2024: a GRU whose gates do not see its memory.

    Gates stand as z, n; z keeps, as in the GRU of this project (the paper's z is 1 - z here).

    z_t = sigmoid(W_z x_t + b_z)
    n_t = W_n x_t + b_n
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}   Feng et al. 2024, section 3.1

    Linear in its memory, so a sequence is one scan: in parallel over time on any device.
    """

    settings = MinGRUSettings
    description = "A minimal GRU: its gates see the input alone, so it can run in parallel over time."
    source = "Feng et al. 2024"

    def __init__(self, input_size: int, settings: MinGRUSettings) -> None:
        super().__init__()
        hidden = settings.hidden_size
        self.input_size, self.output_size, self.memory_sizes = input_size, hidden, (hidden,)
        self.zoneout = (settings.zoneout,)
        self.input_weight = input_matrix(2, hidden, input_size)
        self.bias = nn.Parameter(torch.zeros(2 * hidden))
        if settings.time_scale > 2:
            self.bias.data[:hidden] = chrono_bias(hidden, settings.time_scale)

    def weights(self) -> Weights:
        return None, self.bias

    def step(self, projected: Tensor, memories: Memories, weights: Weights, drop: Tensor | None = None) -> Memories:
        assert drop is None, "there is no recurrent product"
        (hidden,), (_, bias) = memories, weights
        assert bias is not None
        z, n = (projected + bias).chunk(2, dim=1)
        return (n + torch.sigmoid(z) * (hidden - n),)

    def kernel(self) -> type[Kernel]:
        from seqloom.nn.kernels.mingru import MinGRUKernel

        return MinGRUKernel

    whole_is = "a parallel scan"

    def whole_lacks(self) -> str:
        return ""

    def whole(
        self, inputs: Tensor, order: StepSchedule, memories: Memories, weights: Weights
    ) -> tuple[Tensor, Memories]:
        assert weights[1] is not None
        gates = PackedSequence(self.project(order.take(inputs)) + weights[1], torch.tensor(order.sizes))
        by_step, lengths = pad_packed_sequence(gates)
        z, n = by_step.chunk(2, dim=2)
        keep = torch.sigmoid(z)
        outputs = pack_padded_sequence(linear_scan(keep, n - keep * n, memories[0]), lengths).data
        return order.put(outputs), (order.at_last(outputs),)


def linear_scan(
    keep: Float[Tensor, "time batch size"], new: Float[Tensor, "time batch size"], start: Float[Tensor, "batch size"]
) -> Float[Tensor, "time batch size"]:
    """h_t = keep_t * h_{t-1} + new_t for all t at once, in ceil(log2(time)) rounds (Hillis and Steele 1986).

    After round k, each step holds what the 2^k steps up to it make of the memory before them.
    """
    new = torch.cat([new[:1] + keep[:1] * start, new[1:]])
    reach = 1
    while reach < len(new):
        new = torch.cat([new[:reach], new[reach:] + keep[reach:] * new[:-reach]])
        keep = torch.cat([keep[:reach], keep[reach:] * keep[:-reach]])
        reach *= 2
    return new
