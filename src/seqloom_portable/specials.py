"""The special tokens, which every vocabulary begins with."""

from __future__ import annotations

PAD, UNK, SOS, EOS = range(4)
SPECIALS = ("<pad>", "<unk>", "<sos>", "<eos>")
