"""Names that look the same and are not: written with other Unicode characters, or in other cases."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from seqloom.errors import warn


def warn_of_two_forms(words: Iterable[str]) -> None:
    """Warns where a vocabulary has a word twice, with a composed character (NFC) and with its parts (NFD)."""
    words = list(words)
    known = set(words)
    for word in words:
        if word.isascii() or unicodedata.is_normalized("NFC", word):
            continue
        if (composed := unicodedata.normalize("NFC", word)) in known:
            warn(
                "a word looks the same as another and is not: accents are in one character or in one of their own",
                got=f"{composed!a} and {word!a} ({composed})",
                expected="one form of Unicode in all data, best NFC",
                hint="convert the text, for example with: uconv -x any-nfc",
            )
            return


def warn_of_similar_labels(labels: Iterable[str], where: str) -> None:
    """Warns where two labels differ in case, in whitespace or in the form of Unicode alone."""
    seen: dict[str, str] = {}
    for label in labels:
        composed = " ".join(unicodedata.normalize("NFC", label).split())
        # Single letters of both cases are often meant.
        other = seen.setdefault(composed.casefold() if len(composed) > 1 else composed, label)
        if other != label:
            warn(
                "two labels differ in case, whitespace or the form of Unicode alone",
                where=where,
                got=f"{other!r} and {label!r}",
                expected="one name for each class; they are kept apart",
            )
            return
