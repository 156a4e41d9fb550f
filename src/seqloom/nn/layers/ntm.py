"""The Neural Turing Machine: a controller with an external memory that it reads and writes by attention."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.nn.layer import SequenceLayer, layers, without_padding
from seqloom.nn.matrix_product import Linear
from seqloom.nn.ntm.addressing import Heads, Instructions, address, read, write
from seqloom.nn.ntm.head_weights import RecordsWeights
from seqloom.nn.recurrence.initialization import input_matrix, recurrent_matrix

_FOCUS = 8.0
"""The initial logit of the first location: it receives nearly all of a head's weight."""

_SMALL = 1e-6
"""The value of every cell of an initial memory that is not learned: nonzero, so that its direction is defined."""


class NTMSettings(Settings):
    size_settings: ClassVar = ("hidden_size",)

    controller: Literal["lstm", "feed-forward"] = Field("lstm", description="the network that controls the heads")
    hidden_size: int = Field(100, gt=0, le=2**16, description="hidden units of the controller")
    memory_size: int = Field(128, gt=0, le=2**16, description="number of memory locations")
    memory_width: int = Field(20, gt=0, le=2**12, description="dimension of the vector at a memory location")
    read_heads: int = Field(1, gt=0, le=64, description="number of read heads")
    write_heads: int = Field(1, gt=0, le=64, description="number of write heads")
    shifts: int = Field(
        3, gt=0, le=255, description="number of allowed shifts, odd: 3 are one backward, none, one forward"
    )
    first_memory: Literal["constant", "learned"] = Field(
        "constant", description="the initial memory: a small constant everywhere, or learned"
    )
    clip_derivatives: float = Field(
        10.0,
        gt=0,
        description="largest derivative by memory, weights or instructions at a step of training",
    )

    @field_validator("shifts")
    @classmethod
    def _is_odd(cls, shifts: int) -> int:
        if not shifts % 2:
            raise ValueError("an odd number of shifts, as many backward as forward")
        return shifts


class NTMState(NamedTuple):
    """`memory` (batch, width, locations); `weights` (batch, heads, locations), read heads first; `reads` (batch,
    read heads * width); `hidden` and `cell` (batch, hidden) of an LSTM, (batch, 0) of a feed-forward controller."""

    memory: Tensor
    weights: Tensor
    reads: Tensor
    hidden: Tensor
    cell: Tensor


@layers.register("ntm")
class NTM(SequenceLayer, RecordsWeights):
    """Graves et al. 2014: a controller with a memory that its heads read and write by attention.

    At every step the controller reads the input and the previous reads. All heads are addressed in the previous memory;
    the write heads erase and add, and then the read heads read the new memory. The outputs are the controller's hidden
    state and the reads, side by side. The initial weights (at first nearly all on one location), reads and controller
    states are learned.
    """

    settings = NTMSettings
    family = "memory"
    description = "A Neural Turing Machine: a controller reads and writes an external memory by attention."
    source = "Graves et al. 2014"

    def __init__(self, input_size: int, settings: NTMSettings) -> None:
        super().__init__()
        heads = Heads(settings.memory_width, settings.read_heads, settings.write_heads, settings.shifts)
        hidden, reads, is_lstm = settings.hidden_size, heads.read * heads.width, settings.controller == "lstm"
        self.heads, self.read_heads, self.locations = heads, heads.read, settings.memory_size
        self.hidden_size, self.is_lstm = hidden, is_lstm
        self.input_size, self.output_size = input_size, hidden + reads
        self.fused, self.clip_derivatives = True, settings.clip_derivatives
        gates = 4 if is_lstm else 1
        self.input_weight = input_matrix(gates, hidden, input_size)
        self.recurrent_weight = nn.Parameter(torch.empty(gates * hidden, reads + hidden * is_lstm))
        with torch.no_grad():
            self.recurrent_weight[:, :reads] = input_matrix(gates, hidden, reads)
            if is_lstm:
                self.recurrent_weight[:, reads:] = recurrent_matrix(gates, hidden, hidden)
        self.bias = nn.Parameter(torch.zeros(gates * hidden))
        if is_lstm:
            nn.init.ones_(self.bias[hidden : 2 * hidden])
        self.head = Linear(hidden, heads.instruction_size)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._make_starts(settings.first_memory == "learned")

    def _make_starts(self, learned_memory: bool) -> None:
        memory = torch.full((self.heads.width, self.locations), _SMALL)
        self.memory_start: Tensor
        if learned_memory:
            self.memory_start = nn.Parameter(memory.normal_(std=0.1))
        else:
            self.register_buffer("memory_start", memory, persistent=False)
        logits = torch.zeros(self.heads.all, self.locations)
        logits[:, 0] = _FOCUS
        self.weights_start = nn.Parameter(logits)
        self.reads_start = nn.Parameter(torch.zeros(self.heads.read * self.heads.width))
        controller_size = self.hidden_size if self.is_lstm else 0
        self.hidden_start = nn.Parameter(torch.zeros(controller_size))
        self.cell_start = nn.Parameter(torch.zeros(controller_size))

    def initial_state(self, batch_size: int) -> NTMState:
        starts = NTMState(
            self.memory_start,
            self.weights_start.softmax(1),
            self.reads_start.tanh(),
            self.hidden_start.tanh(),
            self.cell_start,
        )
        return NTMState(*(start.expand(batch_size, *start.shape) for start in starts))

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: NTMState | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], NTMState]:
        state = self.initial_state(len(inputs)) if state is None else state
        input_dtype, dtype = inputs.dtype, self.bias.dtype
        with torch.autocast(inputs.device.type, enabled=False):  # half precision is not enough for a memory
            projected = F.linear(without_padding(inputs, lengths).to(dtype), self.input_weight, self.bias)
            if self.fused and inputs.device.type == "cpu" and inputs.shape[1]:
                hidden, reads, after = self._compiled(projected, state, lengths)
            else:
                hidden, reads, after = self._stepped(projected, state, lengths)
            return torch.cat([hidden, reads], dim=2).to(input_dtype), after

    @property
    def _limit(self) -> float:
        """Of derivatives at a step. Sharpening multiplies them step by step: without a limit, that of one step of one
        sequence may be 1e9 times all others. Outside of training they are exact, as explanations need."""
        return self.clip_derivatives if self.training else math.inf

    def _compiled(self, projected: Tensor, state: NTMState, lengths: Tensor | None) -> tuple[Tensor, Tensor, NTMState]:
        """By the compiled kernels; imported here, because numba is slow to import."""
        from seqloom.nn.kernels.ntm_recurrence import Inputs, run_memory_recurrence

        batch, time, _ = projected.shape
        lengths = torch.full((batch,), time) if lengths is None else lengths
        recurrence_inputs = Inputs(projected, *state, self.recurrent_weight, self.head.weight, self.head.bias)
        hidden, reads, *after = run_memory_recurrence(
            recurrence_inputs, lengths, self.heads, self.recorded_weights, self._limit
        )
        return hidden, reads, NTMState(*after)

    def _stepped(self, projected: Tensor, state: NTMState, lengths: Tensor | None) -> tuple[Tensor, Tensor, NTMState]:
        """Step by step in torch: the reference, for any device."""
        hiddens, reads, weights = [], [], []
        for step, element in enumerate(projected.unbind(1)):
            hidden, after = self._step(element, state)
            if lengths is not None:
                real = step < lengths
                masked = [
                    torch.where(real.view(-1, *[1] * (new.dim() - 1)), new, old)
                    for new, old in zip(after, state, strict=True)
                ]
                after = NTMState(*masked)
            state = after
            hiddens.append(hidden)
            reads.append(state.reads)
            weights.append(state.weights.detach())
        if self.recorded_weights is not None:
            self.recorded_weights.append(torch.stack(weights, dim=1))
        return torch.stack(hiddens, dim=1), torch.stack(reads, dim=1), state

    def _step(self, projected: Tensor, previous: NTMState) -> tuple[Tensor, NTMState]:
        """The controller's hidden state, and the state after one step."""
        controller_inputs = torch.cat([previous.reads, previous.hidden], dim=1) if self.is_lstm else previous.reads
        gates, cell = projected + F.linear(controller_inputs, self.recurrent_weight), previous.cell
        if self.is_lstm:
            into, forget, new, out = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
            hidden = out.sigmoid() * cell.tanh()
        else:
            hidden = gates.tanh()
        instructions = Instructions.from_raw(_with_clipped_gradient(self.head(hidden), self._limit), self.heads)
        memory_before, weights_before = (
            _with_clipped_gradient(part, self._limit) for part in (previous.memory, previous.weights)
        )
        weights = address(instructions, memory_before, weights_before)
        memory = write(instructions, memory_before, weights[:, self.read_heads :])
        reads = read(memory, weights[:, : self.read_heads])
        return hidden, NTMState(memory, weights, reads, hidden if self.is_lstm else previous.hidden, cell)


def _with_clipped_gradient(tensor: Tensor, limit: float) -> Tensor:
    """The same, through which no derivative over `limit` flows back."""
    if not tensor.requires_grad or math.isinf(limit):
        return tensor
    same = tensor.view_as(tensor)
    same.register_hook(lambda gradient: gradient.clamp(-limit, limit))  # type: ignore[no-untyped-call]
    return same
