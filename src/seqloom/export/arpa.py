"""ARPA files, which KenLM, SRILM and most others read."""

from __future__ import annotations

from pathlib import Path

from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.models.ngram.arpa_write import write_arpa
from seqloom.models.ngram.model import NgramModel
from seqloom.run import Run


@exporters.register("arpa")
def arpa(run: Run, file: Path) -> None:
    """An n-gram model as text: log10 probabilities and back-off weights; `.gz` is compressed."""
    if not isinstance(run.model, NgramModel):
        raise RequestError(
            "ARPA files hold n-gram models", where=str(run.folder), got=run.plan.model, expected="a run of ngram"
        )
    write_arpa(run.model.store, run.codec.tokenizer.tokens(), file)
