"""How words are looked up: the vocabularies of words and of their characters."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from seqloom.config import Settings
from seqloom.data.growth import grown_names
from seqloom.data.tokenizer import warn_of_two_forms
from seqloom.data.vocabulary import Vocabulary
from seqloom.errors import RequestError
from seqloom.files import write_atomic

_DIGIT = re.compile(r"\d")
_ANY_DIGIT = "0"


class VocabularySettings(Settings):
    min_count: int = Field(2, gt=0, description="rarer words are <unk>, known only by their characters")
    vocab_size: int = Field(0, ge=0, le=2**24, description="most words in the vocabulary; 0 is no limit")
    lowercase: bool = Field(True, description="words are looked up in lowercase; their characters stay as they are")
    zero_digits: bool = Field(
        True, description="words are looked up with 0 for every digit; their characters stay as they are"
    )


@dataclass(frozen=True)
class Spelling:
    """The vocabularies of words and of characters, and how a word is changed before it is looked up."""

    words: Vocabulary
    characters: Vocabulary
    lowercase: bool
    zero_digits: bool

    @classmethod
    def learn(cls, counts: Counter[str], settings: VocabularySettings) -> Spelling:
        """`counts`: how often each word occurs. A character is known if it occurs in at least two words."""
        characters: Counter[str] = Counter()
        for form in counts:
            characters.update(set(form))
        without_words = cls(Vocabulary(()), Vocabulary(()), settings.lowercase, settings.zero_digits)
        entries: Counter[str] = Counter()
        for form, count in counts.items():
            entries[without_words.entry(form)] += count
        warn_of_two_forms(counts)
        words = Vocabulary.learn(entries, settings.min_count, settings.vocab_size)
        return cls(words, Vocabulary.learn(characters, 2, 0), settings.lowercase, settings.zero_digits)

    def begin_from(self, earlier: Spelling) -> Spelling:
        """The earlier words and characters, then those that only this has."""
        pairs = ((earlier.words, self.words), (earlier.characters, self.characters))
        words, characters = (Vocabulary(grown_names(before.tokens, learnt.tokens)) for before, learnt in pairs)
        return Spelling(words, characters, earlier.lowercase, earlier.zero_digits)

    @classmethod
    def load(cls, path: Path) -> Spelling:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            words, characters = (Vocabulary(tuple(map(str, content[name]))) for name in ("words", "characters"))
            return cls(words, characters, bool(content["lowercase"]), bool(content["zero_digits"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RequestError("the vocabulary could not be read", where=str(path), got=repr(error)) from None

    def save(self, path: Path) -> None:
        write_atomic(path, self.to_json() + "\n")

    def to_json(self) -> str:
        tokens = {"words": self.words.tokens, "characters": self.characters.tokens}
        return json.dumps(
            {"lowercase": self.lowercase, "zero_digits": self.zero_digits, **tokens}, ensure_ascii=False, indent=0
        )

    def entry(self, form: str) -> str:
        """The form under which a word is looked up in the vocabulary."""
        form = form.lower() if self.lowercase else form
        return _DIGIT.sub(_ANY_DIGIT, form) if self.zero_digits else form
