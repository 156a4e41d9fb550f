"""Scores of generated sequences: BLEU, chrF, exact match, token error rate; on texts, independent of tokenizers.

BLEU and chrF are sacrebleu's (Post 2018), 0 to 100, over the unchanged lines: one reference for each line, cased, 13a.
Exact match and token error rate are shares over distinct sources: if a source has several lines, each with its own
reference (such as the pronunciations of a word), any of them counts. The hypothesis is that of the first line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from seqloom.errors import SeqloomError
from seqloom.metrics.edit_distance import edit_distance

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

Tokens = Callable[[str], Sequence[str]]
"""Splits a line into the units that are counted: `str.split` for words, `list` for characters."""


class Edits(NamedTuple):
    """The number of edits from a hypothesis to its nearest reference, and the length of this reference in tokens."""

    edits: int
    length: int

    @property
    def share(self) -> float:
        """Edits divided by the length of the reference, at least 1."""
        return self.edits / max(self.length, 1)


def transduction_scores(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], tokens: Tokens = str.split
) -> dict[str, float]:
    """`bleu` and `chrf`, 0 to 100, `exact_match`, 0 to 1, and `token_error_rate`, at least 0, of parallel lines;
    `tokens` is for the last two. Raises SeqloomError if there are no lines, or unequal numbers of them."""
    nearest = nearest_references(sources, hypotheses, references, tokens)
    return {
        "bleu": bleu(hypotheses, references),
        "chrf": chrf(hypotheses, references),
        "exact_match": _exact(nearest),
        "token_error_rate": _error_rate(nearest),
    }


def signatures() -> dict[str, str]:
    """The signatures of `bleu` and `chrf` in sacrebleu's format, which belong to every published number."""
    measures = {"bleu": _bleu(), "chrf": _chrf()}
    for measure in measures.values():
        measure.corpus_score(["a"], [["a"]])  # the signature needs the number of references of a scored corpus
    return {name: str(measure.get_signature()) for name, measure in measures.items()}


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU (Papineni et al. 2002), 0 to 100: cased, 13a, one reference for each line."""
    _check(hypotheses=hypotheses, references=references)
    return float(_bleu().corpus_score(hypotheses, [references]).score)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF2 (Popović 2015), 0 to 100: an F score over character n-grams of up to six characters."""
    _check(hypotheses=hypotheses, references=references)
    return float(_chrf().corpus_score(hypotheses, [references]).score)


def sentence_chrf(hypothesis: str, reference: str) -> float:
    """chrF2 of a line and a reference, 0 to 100; equal lines, also empty ones, have 100."""
    return 100.0 if hypothesis == reference else float(_sentence_chrf().sentence_score(hypothesis, [reference]).score)


def exact_match(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], tokens: Tokens = str.split
) -> float:
    """The share of distinct sources whose hypothesis has the same tokens as one of the references."""
    return _exact(nearest_references(sources, hypotheses, references, tokens))


def token_error_rate(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], tokens: Tokens = str.split
) -> float:
    """Edits to the nearest references divided by their tokens, over all distinct sources: a share that may exceed 1."""
    return _error_rate(nearest_references(sources, hypotheses, references, tokens))


def nearest_references(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], tokens: Tokens = str.split
) -> list[Edits]:
    """For each distinct source, in the order of its first line: the reference with the fewest edits for its length."""
    _check(sources=sources, hypotheses=hypotheses, references=references)
    hypothesis: dict[str, Sequence[str]] = {}
    nearest: dict[str, Edits] = {}
    for source, line, reference in zip(sources, hypotheses, references, strict=True):
        if source not in hypothesis:
            hypothesis[source] = tokens(line)
        reference_tokens = tokens(reference)
        edits = Edits(edit_distance(hypothesis[source], reference_tokens), len(reference_tokens))
        best = nearest.get(source)
        if best is None or edits.share < best.share:
            nearest[source] = edits
    return list(nearest.values())


def bleu_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> list[list[int]]:
    """The statistics of BLEU for each line: the lengths of hypothesis and reference, and for n-grams of one to four
    tokens the matches and the n-grams of the hypothesis."""
    return _bleu()._extract_corpus_statistics(hypotheses, [references])


def _exact(nearest: Sequence[Edits]) -> float:
    return sum(not item.edits for item in nearest) / len(nearest)


def _error_rate(nearest: Sequence[Edits]) -> float:
    return Edits(sum(item.edits for item in nearest), sum(item.length for item in nearest)).share


def _bleu() -> BLEU:
    # Imported here, since it is slow. `force` silences the warning about detokenization.
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(force=True)


@functools.cache
def _sentence_chrf() -> CHRF:
    return _chrf()


def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _check(**lines: Sequence[str]) -> None:
    counts = {name: len(items) for name, items in lines.items()}
    if not all(counts.values()):
        empty = [name for name, count in counts.items() if not count]
        raise SeqloomError("there is nothing to score", got=f"no {' and no '.join(empty)}", expected="a line or more")
    if len(set(counts.values())) > 1:
        raise SeqloomError(
            "the numbers of lines differ",
            got=", ".join(f"{count} {name}" for name, count in counts.items()),
            expected="equal numbers",
        )
