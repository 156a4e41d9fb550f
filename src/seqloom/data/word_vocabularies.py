"""How words are looked up: the vocabularies of words and of their characters."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from seqloom.config import Settings
from seqloom.data.growth import grown_names
from seqloom.data.tokenizer import warn_of_two_forms
from seqloom.data.vocabulary import Vocabulary
from seqloom.errors import RequestError
from seqloom.files import write_atomic
from seqloom_portable.word_features import separate, symbols

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
    """The vocabularies of words and of characters, and how a word is changed before it is looked up. `features`: how
    many each word has (`dog￨NN` has one); they are read as further characters."""

    words: Vocabulary
    characters: Vocabulary
    lowercase: bool
    zero_digits: bool
    features: int = 0

    @classmethod
    def learn(cls, counts: Counter[str], settings: VocabularySettings, features: int = 0) -> Spelling:
        """`counts`: how often each word occurs. A character is known if it occurs in at least two words."""
        without_words = cls(Vocabulary(()), Vocabulary(()), settings.lowercase, settings.zero_digits, features)
        characters: Counter[str] = Counter()
        for form in counts:
            characters.update(set(without_words.symbols(form)))
        entries: Counter[str] = Counter()
        for form, count in counts.items():
            entries[without_words.entry(form)] += count
        warn_of_two_forms(counts)
        words = Vocabulary.learn(entries, settings.min_count, settings.vocab_size)
        return replace(without_words, words=words, characters=Vocabulary.learn(characters, 2, 0))

    def begin_from(self, earlier: Spelling) -> Spelling:
        """The earlier words and characters, then those that only this has. Raises RequestError where words had another
        number of features."""
        if earlier.features != self.features:
            raise RequestError(
                "words have another number of features than those of the earlier run", where="data.features",
                got=self.features, expected=earlier.features,
            )  # fmt: skip
        pairs = ((earlier.words, self.words), (earlier.characters, self.characters))
        words, characters = (Vocabulary(grown_names(before.tokens, learnt.tokens)) for before, learnt in pairs)
        return replace(earlier, words=words, characters=characters)

    @classmethod
    def load(cls, path: Path) -> Spelling:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            words, characters = (Vocabulary(tuple(map(str, content[name]))) for name in ("words", "characters"))
            features = int(content.get("features", 0))
            return cls(words, characters, bool(content["lowercase"]), bool(content["zero_digits"]), features)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RequestError("the vocabulary could not be read", where=str(path), got=repr(error)) from None

    def save(self, path: Path) -> None:
        write_atomic(path, self.to_json() + "\n")

    def to_json(self) -> str:
        tokens = {"words": self.words.tokens, "characters": self.characters.tokens}
        options = {"lowercase": self.lowercase, "zero_digits": self.zero_digits, "features": self.features}
        return json.dumps({**options, **tokens}, ensure_ascii=False, indent=0)

    def entry(self, form: str) -> str:
        """The form under which a word is looked up in the vocabulary."""
        word, _ = self.separate(form)
        word = word.lower() if self.lowercase else word
        return _DIGIT.sub(_ANY_DIGIT, word) if self.zero_digits else word

    def symbols(self, form: str) -> list[str]:
        """The characters of a word, and its features."""
        return symbols(*self.separate(form))

    def separate(self, form: str) -> tuple[str, list[str]]:
        """A word and its features. Raises RequestError for a word that has too few."""
        try:
            return separate(form, self.features)
        except ValueError as error:
            raise RequestError(
                "the model reads features of each word (data.features)", got=repr(form), expected=str(error)
            ) from None
