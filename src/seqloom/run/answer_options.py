"""The options of `Run.predict` and `Run.answers`, written once for type checkers, editors and `help`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class SearchOptions(TypedDict, total=False):
    """How the answers are searched for. An option that is left out or None is as the run was set up."""

    beam_size: int | None
    """translate, transcribe: hypotheses kept for each source; 1 is greedy search."""
    length_penalty: float | None
    """translate: hypotheses are ranked by log-probability / length to this power."""
    max_length: int | None
    """translate: the most tokens of an answer."""
    prefix: str | None
    """translate: the text that every answer begins with."""
    copy_unknown: bool | None
    """translate: replace `<unk>` by the source word with the most attention."""
    require: Sequence[str] | None
    """translate: terms that every answer contains."""
    forbid: Sequence[str] | None
    """translate: terms whose tokens no answer contains; subwords may spell one in another way."""
    diverse_groups: int | None
    """translate: the beam is divided into so many groups, which avoid each other's tokens."""
    diversity: float | None
    """translate: how much lower the log-probability of a token is that another group has chosen; 0.5 unless set."""
    repetition_penalty: float | None
    """translate: above 1, tokens that occurred before become less probable; scores include it."""
    no_repeat_ngrams: int | None
    """translate: no n-gram of so many tokens occurs twice in an answer."""
    min_ratio: float | None
    """translate: the fewest tokens of an answer per token of the source."""
    max_ratio: float | None
    """translate: the most tokens of an answer per token of the source, plus 20, where `max_length` is not set."""
    mbr: int | None
    """translate: of so many samples, answer the one most like the others (minimum Bayes risk by chrF)."""
    sample: bool | None
    """translate: sample answers instead of searching for the most probable one."""
    temperature: float | None
    """Sampling: below 1 prefers probable tokens, above 1 is more random."""
    top_k: int | None
    """Sampling: from the k most probable tokens; 0: all."""
    top_p: float | None
    """Sampling: from the most probable tokens that together have this probability."""
    seed: int | None
    """Sampling: equal seeds give equal answers."""


class AnswerOptions(SearchOptions, total=False):
    """The options of the search, and what is returned for each input."""

    n_best: int | None
    """How many answers for each input."""
    proba: bool | None
    """Every class with its probability; of a tagger, the probability of each tag in the text."""
    skip_bad: bool | None
    """transcribe: an empty answer for a recording that cannot be read, and a warning with their number."""
    attention: bool | None
    """The answers have alignments."""


def names_options(options: type) -> Callable[[Method], Method]:
    """Gives a method with `**options: Unpack[options]` the signature that names them, for `help` and `inspect`."""

    def decorate(method: Method) -> Method:
        signature = inspect.signature(method)
        parameters = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        for name, annotation in options.__annotations__.items():
            kind = inspect.Parameter.KEYWORD_ONLY
            text = getattr(annotation, "__forward_arg__", annotation)
            parameters.append(inspect.Parameter(name, kind, default=None, annotation=text))
        method.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return method

    return decorate
