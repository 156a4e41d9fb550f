"""Words with features, such as parts of speech that are known: `dog￨NN`.

The separator is the one that OpenNMT uses for word features (Sennrich and Haddow 2016 call them input features).
"""

from __future__ import annotations

from collections.abc import Sequence

SEPARATOR = "\N{HALFWIDTH FORMS LIGHT VERTICAL}"


def separate(form: str, count: int) -> tuple[str, list[str]]:
    """A word and its last `count` features. The empty word has none. Raises ValueError, with the expected form, for
    another word that has fewer."""
    word, *features = form.rsplit(SEPARATOR, count) if count else [form]
    if form and len(features) < count:
        raise ValueError(SEPARATOR.join(["word", *["feature"] * count]))
    return word, features


def symbols(word: str, features: Sequence[str]) -> list[str]:
    """What is read of a word besides its embedding: its letters and then each feature, as one more letter."""
    return [*word, *(SEPARATOR * place + feature for place, feature in enumerate(features, 1))]
