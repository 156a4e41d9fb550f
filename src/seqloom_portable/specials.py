"""The special tokens at the start of every vocabulary, and words in a text that look like them."""

from __future__ import annotations

PAD, UNK, SOS, EOS = range(4)
SPECIALS = ("<pad>", "<unk>", "<sos>", "<eos>")

_LOOKALIKES = {f" {SPECIALS[i]}": SPECIALS[i] for i in (PAD, SOS, EOS)}
_SWAPPED = _LOOKALIKES | {special: name for name, special in _LOOKALIKES.items()}


def swap_lookalikes(name: str) -> str:
    """Converts between names in a vocabulary and names for lookup, in both directions.

    A text may contain the words `<pad>`, `<sos>` and `<eos>`, which are ordinary words. In a vocabulary, their names
    start with a space, which no word contains, and the special tokens have the plain names. For lookup it is the other
    way round, so that no text is ever read as a special token.
    """
    return _SWAPPED.get(name, name)
