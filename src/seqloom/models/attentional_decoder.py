"""Recurrent decoders with attention to the encoder's outputs (Luong et al. 2015), with and without input feeding."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.models.encoder import Encoded, Encoder
from seqloom.models.recurrent_decoder import MakeStack, RecurrentDecoder
from seqloom.nn.attention.alignment import AttentionSettings, alignment_scores, attend, padding_bias
from seqloom.nn.layer import State
from seqloom.nn.matrix_product import Linear


class Annotations(NamedTuple):
    """What attention needs of a source. Its annotations are the outputs of the encoder; with a skip connection, each
    stands beside the element that it is of. `keys`: (batch, source, key); `values`: (batch, source, size), the
    annotations; `bias`: (batch, 1, source), minus infinity in padding; `summary`: (batch, summary)."""

    keys: Tensor
    values: Tensor
    bias: Tensor
    summary: Tensor


class AttentionalVector(nn.Module):
    """tanh(W [context; hidden]) (Luong et al. 2015, equation 5), where the context is the attention output for the
    hidden state: a weighted mean of the annotations.

    `elements_size`: of the skip connection, 0 without. So many last dimensions of the annotations are the elements of
    the source. Their weighted mean follows the vector as it is, so that the output layer learns early which token
    translates which (as the lexical module of Nguyen and Chiang 2018, section 4, does).
    """

    def __init__(self, hidden_size: int, encoded_size: int, elements_size: int, combined_size: int, score: str) -> None:
        super().__init__()
        self.elements_size, self.source_size = elements_size, encoded_size + elements_size
        self.score = alignment_scores[score](hidden_size, self.source_size)
        self.combine = Linear(self.source_size + hidden_size, combined_size, bias=False)
        nn.init.xavier_uniform_(self.combine.weight)

    def annotations(self, encoded: Encoded) -> Float[Tensor, "batch source size"]:
        if not self.elements_size:
            return encoded.outputs
        return torch.cat([encoded.outputs, encoded.elements], dim=2)

    def forward(
        self, hidden: Float[Tensor, "batch queries hidden"], source: Annotations
    ) -> tuple[Float[Tensor, "batch queries output"], Float[Tensor, "batch queries source"]]:
        context, weights = attend(self.score(hidden, source.keys, source.bias), source.values)
        vector = torch.tanh(self.combine(torch.cat([context, hidden], dim=2)))
        if self.elements_size:
            vector = torch.cat([vector, context[:, :, -self.elements_size :]], dim=2)
        return vector, weights


class AttentionalDecoder(RecurrentDecoder):
    """A recurrent decoder with attention. The recurrence does not depend on the attention, so both run over all steps
    at once. `combined_size`: the dimension of tanh(W [context; hidden])."""

    feeds: ClassVar[bool] = False
    """Whether the previous attentional vector is concatenated to every input."""

    def __init__(
        self,
        make_stack: MakeStack,
        input_size: int,
        combined_size: int,
        encoder: Encoder,
        attention: AttentionSettings,
        bridged: bool,
    ) -> None:
        elements_size = encoder.layer.input_size if attention.skip_connection else 0
        fed_size = combined_size + elements_size if self.feeds else 0
        super().__init__(make_stack(input_size + fed_size), encoder.summary_size, bridged)
        self.output_size = combined_size + elements_size
        self.attend = AttentionalVector(
            self.stack.output_size, encoder.output_size, elements_size, combined_size, attention.score
        )

    def read(self, encoded: Encoded) -> Annotations:
        values = self.attend.annotations(encoded)
        keys, bias = self.attend.score.keys(values), padding_bias(encoded.real, values.dtype)
        return Annotations(keys, values, bias, encoded.summary)

    def initial_state(self, source: State, rows: int) -> State:
        return self.first_state(source.summary, rows)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], source: State, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time output"]:
        hidden, _ = self.stack(inputs, self.first_state(source.summary, 1), lengths)
        return self.attend(hidden, source)[0]

    def step(
        self, inputs: Float[Tensor, "batch rows input"], state: State, source: State
    ) -> tuple[Float[Tensor, "batch rows output"], State, Float[Tensor, "batch rows source"]]:
        hidden, state = self.one_step(inputs, state)
        vectors, weights = self.attend(hidden, source)
        return vectors, state, weights


class FeedingState(NamedTuple):
    """`recurrent`: the state of the recurrent layer; `vector`: (batch, output), the previous attentional vector."""

    recurrent: State
    vector: Tensor


class InputFeedingDecoder(AttentionalDecoder):
    """The previous attentional vector is concatenated to every input (Luong et al. 2015, section 3.3); zeros at first.
    A step depends on the attention of the previous one, so training also runs step by step, several times slower."""

    feeds = True

    def initial_state(self, source: State, rows: int) -> FeedingState:
        recurrent = self.first_state(source.summary, rows)
        return FeedingState(recurrent, source.summary.new_zeros(len(source.summary) * rows, self.output_size))

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        source: State,
        lengths: Int[Tensor, " batch"] | None = None,  # noqa: ARG002
    ) -> Float[Tensor, "batch time output"]:
        state, vectors = self.initial_state(source, 1), []
        for step in range(inputs.shape[1]):
            vector, state, _ = self.step(inputs[:, step : step + 1], state, source)
            vectors.append(vector)
        return torch.cat(vectors, dim=1)

    def step(
        self, inputs: Float[Tensor, "batch rows input"], state: State, source: State
    ) -> tuple[Float[Tensor, "batch rows output"], FeedingState, Float[Tensor, "batch rows source"]]:
        fed = torch.cat([inputs, state.vector.view(*inputs.shape[:2], -1)], dim=2)
        vectors, recurrent, weights = super().step(fed, state.recurrent, source)
        return vectors, FeedingState(recurrent, vectors.flatten(0, 1)), weights
