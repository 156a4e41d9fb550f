"""The special tokens, which every vocabulary begins with, and the words of a text that look like them."""

from __future__ import annotations

PAD, UNK, SOS, EOS = range(4)
SPECIALS = ("<pad>", "<unk>", "<sos>", "<eos>")

_LOOKALIKES = {f" {SPECIALS[i]}": SPECIALS[i] for i in (PAD, SOS, EOS)}
_SWAPPED = _LOOKALIKES | {special: name for name, special in _LOOKALIKES.items()}


def swap_lookalikes(name: str) -> str:
    """Between a vocabulary's names and what is looked up in it, in both directions.

    A text may itself hold the words `<pad>`, `<sos>` and `<eos>`, which are words like any other. In a vocabulary their
    names have a space in front, as no word has, and the special tokens the plain names. For looking words up it is the
    other way round, so that no text is ever taken for a special token.
    """
    return _SWAPPED.get(name, name)
