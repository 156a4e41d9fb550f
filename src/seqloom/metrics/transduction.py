"""Scores of sequences into sequences: BLEU, chrF, exact match, token error rate. Text in, so that no tokenizer counts.

BLEU and chrF are sacrebleu's (Post 2018), 0 to 100, over lines as they stand: one reference a line, cased, 13a.
Exact match and token error rate are shares, over distinct sources: where a source stands on several lines, each with a
reference of its own (a word's pronunciations), any of them counts. The hypothesis is then that of the first line.
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
"""From a line to what is counted in it: `str.split` for what whitespace separates, `list` for characters."""


class Edits(NamedTuple):
    """From the hypothesis to the nearest of its references, and that reference's length, in tokens."""

    edits: int
    length: int

    @property
    def share(self) -> float:
        """Of a reference without tokens, an edit counts as for one with a single token."""
        return self.edits / max(self.length, 1)


def transduction_scores(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], tokens: Tokens = str.split
) -> dict[str, float]:
    """`bleu` and `chrf`, 0 to 100, `exact_match`, 0 to 1, and `token_error_rate`, 0 upwards, of lines that belong
    together; `tokens` is for the last two. Raises SeqloomError where there are none, or not equally many."""
    nearest = nearest_references(sources, hypotheses, references, tokens)
    return {
        "bleu": bleu(hypotheses, references),
        "chrf": chrf(hypotheses, references),
        "exact_match": _exact(nearest),
        "token_error_rate": _error_rate(nearest),
    }


def signatures() -> dict[str, str]:
    """How `bleu` and `chrf` were computed, in sacrebleu's words, which go with every number that is published."""
    measures = {"bleu": _bleu(), "chrf": _chrf()}
    for measure in measures.values():
        measure.corpus_score(["a"], [["a"]])  # the number of references is known from what was scored
    return {name: str(measure.get_signature()) for name, measure in measures.items()}


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """BLEU of the corpus (Papineni et al. 2002), 0 to 100: cased, 13a, one reference a line."""
    _check(hypotheses=hypotheses, references=references)
    return float(_bleu().corpus_score(hypotheses, [references]).score)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """chrF2 of the corpus (Popović 2015), 0 to 100: an F score over n-grams of up to six characters."""
    _check(hypotheses=hypotheses, references=references)
    return float(_chrf().corpus_score(hypotheses, [references]).score)


def sentence_chrf(hypothesis: str, reference: str) -> float:
    """chrF2 of one line against another, 0 to 100; equal lines, empty ones too, have 100."""
    return 100.0 if hypothesis == reference else float(_sentence_chrf().sentence_score(hypothesis, [reference]).score)


def exact_match(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], tokens: Tokens = str.split
) -> float:
    """The share of distinct sources whose hypothesis has the same tokens as one of the references."""
    return _exact(nearest_references(sources, hypotheses, references, tokens))


def token_error_rate(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], tokens: Tokens = str.split
) -> float:
    """Edits to the nearest references by the tokens in these, over all distinct sources: a share that may exceed 1."""
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
    """Of each line what BLEU is computed from: the lengths of the hypothesis and of the reference, the n-grams of one
    to four tokens that are right, and all of the hypothesis."""
    return _bleu()._extract_corpus_statistics(hypotheses, [references])


def _exact(nearest: Sequence[Edits]) -> float:
    return sum(not item.edits for item in nearest) / len(nearest)


def _error_rate(nearest: Sequence[Edits]) -> float:
    return Edits(sum(item.edits for item in nearest), sum(item.length for item in nearest)).share


def _bleu() -> BLEU:
    # Imported here: it takes a while, and much else does without. `force`: no advice in the log about detokenizing.
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
            "the lines do not belong together",
            got=", ".join(f"{count} {name}" for name, count in counts.items()),
            expected="equally many",
        )
