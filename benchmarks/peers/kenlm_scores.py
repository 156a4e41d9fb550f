"""The peer of n-gram scoring: KenLM's own Python package, a call a sentence, as its users do."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def load(arpa: Path) -> Any | None:
    """The model in an ARPA file; None where the package is not installed (it needs a C++ compiler)."""
    try:
        kenlm = importlib.import_module("kenlm")
    except ImportError:
        return None
    return kenlm.Model(str(arpa))


def score(model: Any, sentences: Sequence[str]) -> list[float]:
    """log10 of each sentence's probability, the end included."""
    return [model.score(sentence, bos=True, eos=True) for sentence in sentences]


def exact(model: Any, sentences: Sequence[str]) -> list[float]:
    """The same, its words' scores summed in float64: `score` sums in float32."""
    return [sum(word[0] for word in model.full_scores(sentence, bos=True, eos=True)) for sentence in sentences]
