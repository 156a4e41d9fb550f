"""A language model token by token: what may come next, how probable given text is, and texts drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.serving.worker import Step
from seqloom_portable.continuation import TextStream, prompt_ids
from seqloom_portable.sampling import Sampling, choose
from seqloom_portable.specials import EOS, PAD, SOS, UNK

LogProbs = NDArray[Any]

NEVER = (PAD, SOS, UNK)
"""Tokens that no text is written with."""


class Candidate(NamedTuple):
    """A token that may come next: the text that it adds, and its log-probability in nats."""

    text: str
    log_prob: float


class Token(NamedTuple):
    """A token of a text: what it adds to the text, its log-probability in nats before sampling changes it, the most
    probable tokens in its place, and whether it is the end of the text."""

    text: str
    log_prob: float
    candidates: list[Candidate]
    is_end: bool


class Row(NamedTuple):
    """The memory of one text: the row with this `number` of the memory `of` so many, which were stepped together."""

    state: Any
    number: int
    of: int


class States(NamedTuple):
    """What a model's memory can be asked: `join` several of one row each, take the row with a `number` out of several,
    and the `shape` of a row. Those of equal shape can be joined."""

    join: Callable[[Sequence[Any]], Any]
    row: Callable[[Any, int], Any]
    shape: Callable[[Any], Hashable]


class TokenModel:
    """A language model of a run or of an exported folder.

    `first_state()` is the memory before a text; `step(token_ids, state)` takes ids (batch, time) and gives log p(next)
    (batch, vocab) and the memory; `log_probs(token_ids, targets)` is log p(target) of each step of one row, (time,).
    """

    def __init__(
        self,
        tokenizer: Any,
        first_input: int,
        first_state: Callable[[], Any],
        step: Callable[[NDArray[np.int64], Any], tuple[LogProbs, Any]],
        log_probs: Callable[[NDArray[np.int64], NDArray[np.int64]], LogProbs],
        states: States,
    ) -> None:
        self.tokenizer, self.first_input = tokenizer, first_input
        self.of_lines = first_input == SOS
        self._first_state, self._step, self._log_probs, self._states = first_state, step, log_probs, states

    def next_step(self, token_ids: Sequence[int], row: Row | None) -> Step:
        """The step after more tokens of a text, whose memory is `row` (None: before the text). Its result is the
        log p(next) (vocab,) and the new memory."""
        row = row or Row(self._first_state(), 0, 1)
        key = (id(self), len(token_ids), self._states.shape(row.state))
        return Step(key, self._step_together, (token_ids, row))

    def _step_together(self, items: Sequence[tuple[Sequence[int], Row]]) -> list[tuple[LogProbs, Row]]:
        state = self._joined([row for _, row in items])
        log_probs, state = self._step(np.array([list(ids) for ids, _ in items], np.int64), state)
        return [(log_probs[number], Row(state, number, len(items))) for number in range(len(items))]

    def _joined(self, rows: Sequence[Row]) -> Any:
        """Texts that were stepped together before are so again, mostly; then nothing is copied."""
        state, _, of = rows[0]
        if all(row.state is state and row.number == place for place, row in enumerate(rows)) and of == len(rows):
            return state
        alone = [row.state if row.of == 1 else self._states.row(row.state, row.number) for row in rows]
        return alone[0] if len(alone) == 1 else self._states.join(alone)

    def score(self, text: str, top: int = 0, end: bool = False) -> Iterator[Token]:
        """The tokens of `text`, each with the `top` most probable ones in its place; `end`: the end of the text too.

        A model of lines reads a text as one line; one of a stream continues after the end of a line."""
        ids, _ = prompt_ids(self.tokenizer, text, self.of_lines, self.first_input)
        targets = [*ids[1:], *([EOS] if end else [])]
        if not targets:
            return
        inputs = ids[: len(targets)]
        shown = _Shown(self.tokenizer, [], self.of_lines)
        if not top:
            log_probs = self._log_probs(np.array([inputs], np.int64), np.array([targets], np.int64))
            for token, log_prob in zip(targets, log_probs.tolist(), strict=True):
                yield shown.token(token, log_prob, [])
            return
        state = self._first_state()
        for before, token in zip(inputs, targets, strict=True):
            (distribution,), state = self._step(np.array([[before]], np.int64), state)
            candidates = shown.candidates(distribution, top)
            yield shown.token(token, float(distribution[token]), candidates)

    def next(self, text: str, top: int) -> list[Candidate]:
        """The `top` most probable tokens after `text`."""
        ids, line = prompt_ids(self.tokenizer, text, self.of_lines, self.first_input)
        (distribution,), _ = self._step(np.array([ids], np.int64), self._first_state())
        return _Shown(self.tokenizer, line, self.of_lines).candidates(distribution, top)


class Continuation:
    """The tokens that follow a prompt, without end unless the model is one of lines."""

    def __init__(self, model: TokenModel, prompt: str, sampling: Sampling, seed: int, top: int = 0) -> None:
        self._model, self._sampling, self._top = model, sampling, top
        self._ids, line = prompt_ids(model.tokenizer, prompt, model.of_lines, model.first_input)
        self._shown, self._chance = _Shown(model.tokenizer, line, model.of_lines), np.random.default_rng(seed)
        self._row: Row | None = None

    def next(self) -> Generator[Step, Any, Token]:
        """Yields the step on which the next token depends, is sent its result, and returns the token."""
        distribution, self._row = yield self._model.next_step(self._ids, self._row)
        token = choose(distribution, self._sampling, NEVER, self._chance)
        self._ids = [token]
        candidates = self._shown.candidates(distribution, self._top) if self._top else []
        return self._shown.token(token, float(distribution[token]), candidates)


class _Shown:
    """The text that tokens add after those of a `line` that was begun."""

    def __init__(self, tokenizer: Any, line: Sequence[int], of_lines: bool) -> None:
        self._tokenizer, self._of_lines = tokenizer, of_lines
        self._stream = TextStream(tokenizer, list(line))
        self._line = list(line[-16:])

    def token(self, token: int, log_prob: float, candidates: list[Candidate]) -> Token:
        if token != EOS:
            self._line = [*self._line[-15:], token]
            return Token(self._stream.add(token), log_prob, candidates, False)
        self._stream, self._line = TextStream(self._tokenizer, []), []
        return Token("" if self._of_lines else "\n", log_prob, candidates, self._of_lines)

    def candidates(self, distribution: LogProbs, top: int) -> list[Candidate]:
        allowed = np.array(distribution, np.float64)
        allowed[[PAD, SOS]] = -np.inf
        top = min(top, len(allowed) - 2)
        best = np.argpartition(-allowed, top - 1)[:top]
        best = best[np.argsort(-allowed[best], kind="stable")]
        return [Candidate(self._text(token), float(allowed[token])) for token in best.tolist()]

    def _text(self, token: int) -> str:
        """What the token would add; the names of tokens that add no text of their own."""
        if token in (EOS, UNK):
            return "\n" if token == EOS and not self._of_lines else str(self._tokenizer.token(token))
        before = self._tokenizer.decode(self._line)
        text = self._tokenizer.decode([*self._line, token])[len(before) :]
        return text if text and "\ufffd" not in text else str(self._tokenizer.token(token))
