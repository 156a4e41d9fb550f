"""Contexts of sources: what an encoder-decoder makes of a target given the last k elements of its source."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.data.descriptions import DescriptionCodec
from seqloom.data.example import Frames
from seqloom.data.line_batches import line_batch
from seqloom.data.pairs import PairCodec
from seqloom.data.tokenizer import EOS, SOS, Tokenizer, shown_token
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.batching import padded_source
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import (
    EXAMPLES,
    ROWS,
    Attributable,
    EndLoss,
    NetworkProbe,
    copies,
    example_number,
    log_probabilities,
    longest_first,
    spread,
)
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.tasks.capabilities import Trained

_BY_LENGTH = 2_000
"""Examples whose losses are told by the lengths of their sources."""


class ExamplesByLength(NamedTuple):
    """Of each example, the elements of the source, the tokens of the target, and the nats of the whole target."""

    source_tokens: list[int]
    target_tokens: list[int]
    nats: list[float]


class PairContexts(NetworkProbe):
    """Of sources and their targets. Cut, a source keeps its last k elements; the target is read as it is."""

    score: str = "nats per target token"
    input_name = "encoder"
    sources: list[NDArray[Any]]
    targets: list[NDArray[np.int64]]

    def __init__(self, trained: Trained, data: Any) -> None:
        self.network: EncoderDecoder = trained.model
        self.data, self.codec = data, trained.codec
        self.device = next(trained.model.parameters()).device
        self.sources, self.targets = self._pairs(EXAMPLES)
        self.longest = max(1, max(map(self.length, self.sources)))

    @abstractmethod
    def _source(self, row: Any) -> NDArray[Any]:
        """What the encoder reads of a row of the data."""

    @abstractmethod
    def length(self, source: NDArray[Any]) -> int:
        """The number of elements that can be cut."""

    @abstractmethod
    def _cut(self, source: NDArray[Any], context: int) -> NDArray[Any]: ...

    @abstractmethod
    def _source_of_text(self, text: str) -> NDArray[Any]: ...

    @abstractmethod
    def _names(self, source: NDArray[Any]) -> list[str]: ...

    @property
    @abstractmethod
    def target_tokenizer(self) -> Any: ...

    @property
    def attends(self) -> bool:
        """Whether the decoder attends to the source."""
        encoded = self.network.encode(*(part.to(self.device) for part in padded_source(self.sources[:1])))
        first = torch.tensor([[SOS]], device=self.device)
        return self.network.decode_next(first, self.network.initial_state(encoded, 1), encoded)[2] is not None

    def losses(self, context: int) -> NDArray[np.float64]:
        return self._losses([self._cut(row, context) for row in self.sources], self.targets)

    def examples_by_length(self) -> ExamplesByLength:
        """With whole sources."""
        sources, targets = self._pairs(_BY_LENGTH)
        tokens = list(map(len, targets))
        nats = self._losses(sources, targets) * np.array(tokens)
        return ExamplesByLength(list(map(self.length, sources)), tokens, nats.tolist())

    def _pairs(self, most: int) -> tuple[list[NDArray[Any]], list[NDArray[np.int64]]]:
        numbers = spread(self.data.num_lines, most)
        targets = [np.asarray(row).astype(np.int64) for row in self.data.target.rows(numbers)]
        return [self._source(row) for row in self.data.source.rows(numbers)], targets

    @torch.no_grad()
    def _losses(self, sources: list[NDArray[Any]], targets: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        nats = np.empty(len(sources))
        order = np.argsort([len(row) for row in targets], kind="stable")
        for first in range(0, len(order), ROWS):
            rows = order[first : first + ROWS]
            source, source_lengths = (part.to(self.device) for part in padded_source([sources[i] for i in rows]))
            batch = line_batch([targets[i] for i in rows]).to(self.device)
            encoded = self.network.encode(source, source_lengths)
            log_probs = self.network.log_prob(encoded, batch.inputs, batch.targets, batch.lengths)
            mask = batch.mask()
            real = log_probs if mask is None else log_probs.masked_fill(~mask, 0.0)
            lengths = np.array([len(targets[i]) for i in rows])
            nats[rows] = -real.double().sum(1).numpy(force=True) / lengths
        return nats

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:  # noqa: ARG002
        """The loss at the last token of the target: through the decoder back to its beginning, and into the encoder
        from its end on. A backward layer of the encoder ends at the first token."""
        order = longest_first(self.sources)
        order = np.array([i for i in order if len(self.targets[i]) > 1] or order)
        source, source_lengths = padded_source([self.sources[i] for i in order])
        batch = line_batch([self.targets[i] for i in order])
        lengths = np.array([len(self.targets[i]) for i in order])
        last = np.maximum(lengths - 2, 0)  # the token before <eos>
        read = source, source_lengths, batch.inputs, batch.targets
        loss = cast("Any", network).output.softmax.loss(*_last(network, read, last))
        return EndLoss(loss, {"encoder": source_lengths.numpy(), "decoder": last + 1})

    def example(self, number: int | None, text: str | None) -> Attributable:
        """The middle token of the target that the model writes by greedy search, given the source and the tokens before
        it."""
        row = self._example_row(number, text)
        source, source_lengths = padded_source([row])
        target, _ = self._greedy(source, source_lengths)
        middle = (len(target) - 1) // 2
        inputs = torch.tensor([[SOS, *target[:middle]]])
        targets, last = torch.tensor([target[: middle + 1]]), np.array([middle])

        def score(network: Any, rows: int) -> Tensor:
            parts = [copies(part, rows, network) for part in (source, source_lengths, inputs, targets)]
            return log_probabilities(network.output, *_last(network, parts, np.repeat(last, rows)))

        output = f"log p({shown_token(self.target_tokenizer, target[middle])})"
        written = [shown_token(self.target_tokenizer, i) for i in [SOS, *target[:middle]]]
        return self.attributable(self._names(row), output, score, written)

    def alignment(self, number: int | None, text: str | None) -> Alignment | None:
        """The attention of the target of greedy search to the source of the example; None of a model without
        attention."""
        row = self._example_row(number, text)
        target, attention = self._greedy(*padded_source([row]))
        if not attention:
            return None
        return Alignment(self._names(row), [shown_token(self.target_tokenizer, i) for i in target], attention)

    def _example_row(self, number: int | None, text: str | None) -> NDArray[Any]:
        if text is not None:
            return self._source_of_text(text)
        place = example_number(number, self.data.num_lines)
        return self._source(self.data.source.rows(np.array([place]))[0])

    def _greedy(self, source: Tensor, lengths: Tensor) -> tuple[list[int], list[list[float]]]:
        """The target with `<eos>`, and the attention of each of its tokens, where the model has attention."""
        encoded = self.network.encode(source.to(self.device), lengths.to(self.device))
        state, token = self.network.initial_state(encoded, 1), SOS
        target: list[int] = []
        attention: list[list[float]] = []
        for _ in range(2 * source.shape[1] + 10):
            ids = torch.tensor([[token]], device=self.device)
            log_probs, state, weights = self.network.decode_next(ids, state, encoded)
            token = int(log_probs[0, 0].argmax())
            target.append(token)
            if weights is not None:
                attention.append(weights[0, 0].tolist())
            if token == EOS:
                break
        return target, attention


class SourceContexts(PairContexts):
    """Of pairs of texts. A source that is cut keeps its `<eos>`."""

    codec: PairCodec

    def _source(self, row: Any) -> NDArray[np.int64]:
        return np.asarray(row).astype(np.int64)

    def length(self, source: NDArray[Any]) -> int:
        return len(source) - 1

    def _cut(self, source: NDArray[Any], context: int) -> NDArray[np.int64]:
        return np.append(source[:-1][max(len(source) - 1 - context, 0) :], EOS)

    def _source_of_text(self, text: str) -> NDArray[np.int64]:
        return np.array([*self.codec.source.encode([text])[0], EOS], dtype=np.int64)

    def _names(self, source: NDArray[Any]) -> list[str]:
        return [shown_token(self.codec.source, int(i)) for i in source]

    @property
    def target_tokenizer(self) -> Tokenizer:
        return self.codec.target


class VectorContexts(PairContexts):
    """Of vectors, or sequences of them, and the texts about them."""

    unit: ClassVar[str] = "vectors"
    smallest = 1
    codec: DescriptionCodec

    def _source(self, row: Any) -> Frames:
        return np.asarray(row, np.float32)

    def length(self, source: NDArray[Any]) -> int:
        return len(source)

    def _cut(self, source: NDArray[Any], context: int) -> Frames:
        return source[-max(context, 1) :]

    def _source_of_text(self, text: str) -> Frames:
        raise RequestError("the sources are numbers, not text", where="--text", got=text, expected="--example N")

    def _names(self, source: NDArray[Any]) -> list[str]:
        return [str(step) for step in range(1, len(source) + 1)]

    @property
    def target_tokenizer(self) -> Tokenizer:
        return self.codec.tokenizer


def _last(network: Any, read: Sequence[Tensor], last: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """(rows, size) the vectors that the tokens at `last` are predicted from, and (rows,) these tokens. `read`: sources
    and their lengths, inputs and targets of the decoder."""
    device = next(network.parameters()).device
    source, source_lengths, inputs, targets = (part.to(device) for part in read)
    places = torch.from_numpy(last).to(device)
    vectors = network(source, source_lengths, inputs, places + 1)
    rows = torch.arange(len(source), device=device)
    return vectors[rows, places], targets[rows, places]
