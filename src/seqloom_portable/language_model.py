"""Language models: scores of lines, generated text, and next-token distributions step by step."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length, padded
from seqloom_portable.continuation import prompt_ids, text_of
from seqloom_portable.embedding import sentence_vectors
from seqloom_portable.engine import Arrays, Engine
from seqloom_portable.folder import Folder
from seqloom_portable.sampling import Sampling, generate
from seqloom_portable.specials import EOS, PAD, SOS, UNK
from seqloom_portable.tokens import open_tokenizer

_NUMBERS_AT_ONCE = 1 << 24
"""Log-probabilities that are in memory at a time."""


class LineScore(NamedTuple):
    """`log_prob` in nats, the end of the line included; `tokens`, the number of tokens with that end; `unknown`, the
    number of unknown words."""

    log_prob: float
    tokens: int
    unknown: int


class LanguageModel(ABC):
    """What every language model can do. `mode` is `lines` if each line is a text of its own, `stream` if all lines are
    one text."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.tokenizer = open_tokenizer(folder.path / "tokenizer.json")
        self.mode: str = folder.manifest["mode"]
        self.first_input = SOS if self.mode == "lines" else EOS
        """The id that precedes a text."""

    @abstractmethod
    def first_state(self, batch: int) -> Any:
        """The state of `batch` rows before their first token."""

    @abstractmethod
    def next_log_probs(self, token_ids: NDArray[np.int64], state: Any) -> tuple[NDArray[Any], Any]:
        """log p(next token | all tokens so far) in nats (batch, vocab) after the last of `token_ids` (batch, time)."""

    @abstractmethod
    def target_log_probs(
        self, token_ids: NDArray[np.int64], targets: NDArray[np.int64], lengths: NDArray[np.int64], state: Any
    ) -> tuple[NDArray[Any], Any]:
        """log p(target) at each step in nats (batch, time); values in padding are undefined."""

    def score(self, lines: Sequence[str]) -> list[LineScore]:
        """The log-probability of each line, independent of the other lines."""
        ids = self.tokenizer.encode(lines)
        scores: list[LineScore] = [LineScore(0.0, 0, 0)] * len(ids)
        budget = max(1, min(4_096, _NUMBERS_AT_ONCE // self.tokenizer.vocab_size))
        for places in group_by_length([len(line) + 1 for line in ids], budget):
            targets = padded([[*ids[place], EOS] for place in places])
            lengths = np.array([len(ids[place]) + 1 for place in places], np.int64)
            totals = self._totals(targets, lengths, budget)
            for row, place in enumerate(places):
                unknown = sum(token == UNK for token in ids[place])
                scores[place] = LineScore(float(totals[row]), int(lengths[row]), unknown)
        return scores

    def _totals(self, targets: NDArray[np.int64], lengths: NDArray[np.int64], budget: int) -> NDArray[np.float64]:
        """The log-probability of each row. A row longer than the budget is read in parts, with the state carried
        along."""
        batch, time = targets.shape
        inputs = np.concatenate([np.full((batch, 1), self.first_input, np.int64), targets[:, :-1]], axis=1)
        totals, state = np.zeros(batch), self.first_state(batch)
        width = max(1, budget // batch)
        for start in range(0, time, width):
            part = slice(start, start + width)
            real = np.clip(lengths - start, 0, inputs[:, part].shape[1])
            log_probs, state = self.target_log_probs(inputs[:, part], targets[:, part], real, state)
            mask = np.arange(log_probs.shape[1]) < real[:, None]
            totals += np.where(mask, log_probs, 0.0).sum(1, dtype=np.float64)
        return totals

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        unknown: bool = False,
    ) -> Iterator[str]:
        """Yields the text that follows `prompt`, piece by piece. A model of lines stops at the end of the line. `<unk>`
        is generated only if `unknown` is True."""
        of_lines = self.mode == "lines"
        begin, line = prompt_ids(self.tokenizer, prompt, of_lines, self.first_input)
        never = [PAD, SOS] + ([] if unknown else [UNK])
        sampling = Sampling(temperature, top_k, top_p)

        def step(ids: NDArray[np.int64], state: Any) -> tuple[NDArray[Any], Any]:
            log_probs, state = self.next_log_probs(ids, state)
            return log_probs[0], state

        ids = itertools.islice(generate(step, self.first_state(1), begin, sampling, never, seed), max_tokens)
        yield from text_of(ids, self.tokenizer, line, of_lines)


class NetworkLanguageModel(LanguageModel):
    """A neural language model: one graph for any number of tokens, and a faster one for the next token of one text."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        super().__init__(folder)
        self.engine, self.threads = folder.engine("model", threads), threads
        self._embed: Engine | None = None

    @cached_property
    def _step(self) -> Engine | None:
        """None in a folder of an earlier version."""
        return self.folder.engine("step", self.threads) if "step" in self.folder.manifest["graphs"] else None

    def first_state(self, batch: int) -> Arrays:
        return self.engine.first_state(batch)

    def next_log_probs(self, token_ids: NDArray[np.int64], state: Arrays) -> tuple[NDArray[np.float32], Arrays]:
        if token_ids.shape == (1, 1) and self._step is not None:
            outputs, state = self._step(token_ids=token_ids, **state)
            return outputs["log_probs"][0], state
        lengths = np.full(len(token_ids), token_ids.shape[1], np.int64)
        outputs, state = self.engine(token_ids=token_ids, lengths=lengths, **state)
        return outputs["log_probs"][:, -1], state

    def target_log_probs(
        self, token_ids: NDArray[np.int64], targets: NDArray[np.int64], lengths: NDArray[np.int64], state: Arrays
    ) -> tuple[NDArray[np.float32], Arrays]:
        outputs, state = self.engine(token_ids=token_ids, lengths=lengths, **state)
        return np.take_along_axis(outputs["log_probs"], targets[:, :, None], 2)[:, :, 0], state

    def embed(self, lines: Sequence[str], pooling: str = "auto") -> NDArray[np.float32]:
        """(lines, size): a vector for each line; zeros for a line whose tokens are all unknown."""
        if self._embed is None:
            self._embed = self.folder.engine("embed", self.threads)
        rows = [[self.first_input, *ids] for ids in self.tokenizer.encode(lines)]
        return sentence_vectors(self._embed, rows, "word-mean" if pooling == "auto" else pooling)
