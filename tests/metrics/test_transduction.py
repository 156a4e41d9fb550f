"""BLEU and chrF against sacrebleu itself, the others against counting by hand, several references among them."""

from __future__ import annotations

import logging

import pytest
import sacrebleu

from seqloom.errors import SeqloomError
from seqloom.metrics.transduction import (
    bleu,
    chrf,
    exact_match,
    nearest_references,
    signatures,
    token_error_rate,
    transduction_scores,
)

HYPOTHESES = ["Ein Mann schläft auf einem grünen Sofa.", "Zwei Hunde, die spielen", "Eine Frau steht vor einem Haus ."]
REFERENCES = ["Ein Mann schläft auf einem Sofa.", "Zwei Hunde spielen im Schnee.", "Eine Frau steht vor einem Haus."]


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    assert bleu(HYPOTHESES, REFERENCES) == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert chrf(HYPOTHESES, REFERENCES) == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score
    assert 20 < bleu(HYPOTHESES, REFERENCES) < 80


def test_a_copy_of_the_references_has_all_points() -> None:
    scores = transduction_scores(["a", "b", "c"], REFERENCES, REFERENCES)
    assert scores == pytest.approx({"bleu": 100, "chrf": 100, "exact_match": 1, "token_error_rate": 0})


def test_case_counts() -> None:
    assert bleu([line.lower() for line in REFERENCES], REFERENCES) < 100


def test_the_signatures_say_how() -> None:
    said = signatures()
    assert said["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert said["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_nothing_is_logged_about_tokenized_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        bleu(["ein Haus ."] * 200, ["ein Haus ."] * 200)
    assert not caplog.records


def test_empty_lines_are_scored() -> None:
    scores = transduction_scores(["a", "b"], ["", "x y"], ["", ""])
    assert scores["exact_match"] == 0.5
    assert scores["token_error_rate"] == 2
    assert transduction_scores(["a", "b"], ["", ""], ["x", "y z"])["token_error_rate"] == 1


def test_each_source_counts_once_and_any_of_its_references_will_do() -> None:
    sources = ["t h e", "t h e", "a", "c a t"]
    hypotheses = ["DH IY", "DH IY", "EY", "K AE"]
    references = ["DH AH", "DH IY", "AH", "K AE T"]
    assert exact_match(sources, hypotheses, references) == pytest.approx(1 / 3)
    # 0 edits of 2 phonemes, 1 of 1, 1 of 3.
    assert token_error_rate(sources, hypotheses, references) == pytest.approx(2 / 6)


def test_the_nearest_reference_is_nearest_for_its_length() -> None:
    # One edit from three tokens, two from eight: the second is nearer.
    sources, hypotheses = ["s", "s"], ["a b c d e f g h"] * 2
    references = ["x", "a b c d e f"]
    assert nearest_references(sources, hypotheses, references) == [(2, 6)]
    references = ["a b c d e f g", "a b c d e f g h i j"]
    assert nearest_references(sources, hypotheses, references) == [(1, 7)]


def test_the_order_of_the_lines_does_not_matter() -> None:
    sources, hypotheses, references = ["x", "y", "x"], ["1 2", "3", "1 2"], ["1", "3", "1 2"]
    forward = transduction_scores(sources, hypotheses, references)
    backward = transduction_scores(sources[::-1], hypotheses[::-1], references[::-1])
    assert forward["exact_match"] == backward["exact_match"] == 1
    assert forward["token_error_rate"] == backward["token_error_rate"] == 0


def test_what_a_token_is_may_be_chosen() -> None:
    assert token_error_rate(["s"], ["gehen"], ["gehst"]) == 1
    assert token_error_rate(["s"], ["gehen"], ["gehst"], tokens=list) == pytest.approx(2 / 5)


def test_blanks_between_tokens_do_not_count() -> None:
    assert exact_match(["s"], ["AH  B "], ["AH B"]) == 1


@pytest.mark.parametrize("lines", [([], [], []), (["a"], ["b", "c"], ["d"]), (["a"], ["b"], [])])
def test_lines_that_do_not_belong_together_are_refused(lines: tuple[list[str], list[str], list[str]]) -> None:
    with pytest.raises(SeqloomError):
        transduction_scores(*lines)


def test_nothing_to_score_is_said() -> None:
    with pytest.raises(SeqloomError, match="nothing to score") as error:
        bleu([], [])
    assert "no hypotheses and no references" in str(error.value)
