"""The models of words and documents by their names."""

from __future__ import annotations

from seqloom.models.word_vectors.model import CBOW, SkipGram, WordVectors
from seqloom.models.word_vectors.paragraphs import PVDBOW, PVDM

KINDS: dict[str, type[WordVectors]] = {"cbow": CBOW, "skipgram": SkipGram, "pv-dbow": PVDBOW, "pv-dm": PVDM}
