"""A Python function as a tokenizer: a run holds its name, and whoever uses the run has to import it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seqloom.data.marked_function import PRE_TOKENIZER, Divide, imported
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings, WordTokenizer
from seqloom.data.word_table import EncodedLines
from seqloom.errors import RequestError

_SPACE = "▁"


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
        description["pre_tokenizer"] = {"type": PRE_TOKENIZER, "function": self._path}
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
