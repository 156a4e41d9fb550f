"""A Python function as a tokenizer: a run holds its name, and whoever uses the run has to import it."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

from seqloom.data.tokenizer import Tokenizer, TokenizerSettings, WordTokenizer
from seqloom.data.word_table import EncodedLines
from seqloom.errors import RequestError

Divide = Callable[[str], Iterable[str]]
F = TypeVar("F", bound=Divide)

_MARK, _TYPE = "__seqloom_tokenizer__", "Function"
_TRUSTED = "SEQLOOM_TOKENIZERS"
_SPACE = "▁"


def tokenizer(function: F) -> F:
    """Marks a function that divides a text into tokens, so that `tokenizer.function` may name it.

    Only functions with the mark are called: otherwise a run from elsewhere could name any function of any module.
    """
    try:
        setattr(function, _MARK, True)
    except AttributeError:  # functions that are written in C have no attributes of their own
        raise RequestError(
            "the function cannot be marked",
            where="seqloom.tokenizer",
            got=repr(function)[:80],
            expected="a function in Python, which may call it",
        ) from None
    return function


def import_path(function: Divide) -> str:
    """`module:name` of a marked function. Raises RequestError where another process could not import it."""
    path = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', repr(function))}"
    if path.startswith("__main__:") or "<" in path:
        raise RequestError(
            "a run cannot name this function, so it could not be used again",
            where="tokenizer.function",
            got=path,
            expected="a function at the top level of a module that can be imported",
            hint="put it into a file of its own, such as my_tokens.py, and import it from there",
        )
    if imported(path) is not function:
        raise RequestError("another function has this name", where="tokenizer.function", got=path)
    return path


def imported(path: str) -> Divide:
    """The function with this path.

    Its module has to be imported already, or to be named in the environment variable `SEQLOOM_TOKENIZERS`: a run from
    elsewhere does not decide what is executed. Raises RequestError otherwise, and where the function has no mark.
    """
    where, (module, _, name) = f"tokenizer.function: {path}", path.partition(":")
    if not module or not name:
        raise RequestError("this is not the path of a function", where=where, expected="module:name")
    if module not in sys.modules and module not in os.environ.get(_TRUSTED, "").split(","):
        raise RequestError(
            "the module of the function that divides texts into tokens is not imported",
            where=where,
            hint=f"import {module} first, or name it in the environment: {_TRUSTED}={module}",
        )
    try:
        function: Any = import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except Exception as error:  # a module of the user may raise anything
        raise RequestError(
            "the function that divides texts into tokens cannot be imported",
            where=where,
            got=f"{type(error).__name__}: {error}",
            hint="put the folder of its module on PYTHONPATH",
        ) from None
    if not getattr(function, _MARK, False):
        raise RequestError(
            "the function is not marked as a tokenizer", where=where, expected="@seqloom.tokenizer above its definition"
        )
    return function


def source_hash(path: str) -> str:
    """A hash of the path and of the source of its module where it can be read, for the cache of encoded texts."""
    try:
        source = inspect.getsource(inspect.getmodule(imported(path)))  # type: ignore[arg-type]
    except (OSError, TypeError, RequestError):  # the function is refused where it is used
        source = ""
    return hashlib.sha256(f"{path}\n{source}".encode()).hexdigest()


class FunctionTokenizer(Tokenizer):
    """The tokens that a function divides a text into, with a vocabulary of the frequent ones.

    Tokens of whitespace alone are left out; whitespace inside a token is written `▁`.
    """

    separates_words, kind = True, "word"

    def __init__(self, path: str, words: WordTokenizer) -> None:
        self._path, self._function, self._words = path, imported(path), words
        self.vocab_size = words.vocab_size

    @classmethod
    def train(
        cls, lines: Iterable[str], settings: TokenizerSettings, ranked_by: Iterable[str] | None = None
    ) -> FunctionTokenizer:
        """Learns the vocabulary; ids are ordered as by `WordTokenizer`."""
        path = settings.function
        function = imported(path)
        divided = (_divided(function, path, line) for line in lines)
        ranking = None if ranked_by is None else (_divided(function, path, line) for line in ranked_by)
        return cls(path, WordTokenizer.train(divided, settings, ranking))

    @classmethod
    def parsed(cls, description: Mapping[str, Any]) -> FunctionTokenizer:
        """The tokenizer that `to_json` described. Raises ValueError if its vocabulary is not one of words."""
        words = WordTokenizer.parsed({**description, "pre_tokenizer": {"type": "WhitespaceSplit"}})
        if words is None:
            raise ValueError("the vocabulary is not one of words")
        return cls(str(description["pre_tokenizer"]["function"]), words)

    def to_json(self) -> str:
        description = json.loads(self._words.to_json())
        description["pre_tokenizer"] = {"type": _TYPE, "function": self._path}
        return json.dumps(description, ensure_ascii=False, indent=2)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        return self._words.encode(list(self._all_divided(lines)))

    def encode_lines(self, lines: Sequence[str]) -> EncodedLines:
        return self._words.encode_lines(list(self._all_divided(lines)))

    def _all_divided(self, lines: Iterable[str]) -> Iterator[str]:
        return (_divided(self._function, self._path, line) for line in lines)

    def decode(self, ids: Sequence[int]) -> str:
        return self._words.decode(ids)

    def token(self, token_id: int) -> str:
        return self._words.token(token_id)

    def tokens(self) -> list[str]:
        return self._words.tokens()

    def with_words(self, words: Iterable[str], most: int) -> FunctionTokenizer:
        return FunctionTokenizer(self._path, self._words.with_words(words, most))


def _divided(function: Divide, path: str, line: str) -> str:
    """The tokens of a line with spaces between. Raises RequestError for what the function raises, and where it does not
    return strings."""
    try:
        tokens = function(line)
        names = None if isinstance(tokens, str) else list(tokens)
    except Exception as error:  # a function of the user may raise anything
        raise RequestError(
            "the function that divides texts into tokens failed",
            where=f"tokenizer.function: {path}",
            got=f"{type(error).__name__}: {error}, for the text {line[:80]!r}",
        ) from error
    if names is None or not all(isinstance(name, str) for name in names):
        raise RequestError(
            "the function that divides texts into tokens returned something else",
            where=f"tokenizer.function: {path}",
            got=repr(tokens)[:80],
            expected="a list of strings",
        )
    return " ".join(_SPACE.join(name.split()) for name in names if not name.isspace() and name)
