"""How words are looked up and spelt: vocabularies of words and of their letters, learnt and kept."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from seqloom.config import Settings
from seqloom.data.vocabulary import Vocabulary
from seqloom.errors import RequestError
from seqloom.files import write_atomic

_DIGIT = re.compile(r"\d")
_EACH_DIGIT_IS = "0"


class VocabularySettings(Settings):
    min_count: int = Field(2, gt=0, description="rarer words are <unk>, and known by their letters alone")
    vocab_size: int = Field(0, ge=0, le=2**24, description="most words in the vocabulary; 0 is no limit")
    lowercase: bool = Field(True, description="words are looked up in small letters; the letters stay as they are")
    zero_digits: bool = Field(
        True, description="words are looked up with 0 for every digit; the letters stay as they are"
    )


@dataclass(frozen=True)
class Spelling:
    """How a word is looked up, and how it is spelt: the vocabularies of words and of letters."""

    words: Vocabulary
    characters: Vocabulary
    lowercase: bool
    zero_digits: bool

    @classmethod
    def learn(cls, counts: Counter[str], settings: VocabularySettings) -> Spelling:
        """`counts`: how often each word occurs. A letter is known that is in two words or more."""
        characters: Counter[str] = Counter()
        for form in counts:
            characters.update(set(form))
        nothing = cls(Vocabulary(()), Vocabulary(()), settings.lowercase, settings.zero_digits)
        entries: Counter[str] = Counter()
        for form, count in counts.items():
            entries[nothing.entry(form)] += count
        words = Vocabulary.learn(entries, settings.min_count, settings.vocab_size)
        return cls(words, Vocabulary.learn(characters, 2, 0), settings.lowercase, settings.zero_digits)

    @classmethod
    def load(cls, path: Path) -> Spelling:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            words, characters = (Vocabulary(tuple(map(str, found[name]))) for name in ("words", "characters"))
            return cls(words, characters, bool(found["lowercase"]), bool(found["zero_digits"]))
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
        """What stands in the vocabulary for a word as written."""
        form = form.lower() if self.lowercase else form
        return _DIGIT.sub(_EACH_DIGIT_IS, form) if self.zero_digits else form
