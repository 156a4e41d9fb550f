"""The translation task: every model trains and answers, in order; scores are of what is decoded; mistakes are said."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import seqloom
from seqloom.config import flatten
from seqloom.data.readers import readers
from seqloom.errors import RequestError
from seqloom.metrics.transduction import transduction_scores
from seqloom.run import make_settings
from seqloom.tasks import tasks
from tests.support.pairs import shared_pairs_run, train_pairs, write_pairs

TASK = tasks["translate"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, updates=20)


@pytest.mark.parametrize("model", TASK.models())
def test_every_model_trains_and_answers(model: str, tmp_path: Path) -> None:
    run = train_pairs(tmp_path / "run", model=model, updates=3)
    again = seqloom.load(tmp_path / "run", threads=1)
    lines = ["a b c", "d", "f e d c b a"]
    assert again.predict(lines) == run.predict(lines)
    assert again.summary["score"] == "exact_match"
    assert again.summary["valid"].keys() >= {"bleu", "chrf", "exact_match", "token_error_rate", "bleu_signature"}


@pytest.mark.parametrize("model", TASK.models())
def test_what_is_asked_for_wins_over_the_preset(model: str) -> None:
    asked: dict[str, float] = {"decoding.beam_size": 7}
    if model != "joint-ngram":
        asked |= {"embedding.dim": 7, "training.learning_rate": 0.5, "output.dropout": 0.0}
    flat = flatten(make_settings("translate", model, asked))
    assert {name: flat[name] for name in asked} == asked


def test_answers_keep_the_order_and_empty_lines(run: seqloom.Run) -> None:
    lines = ["a b c", "", "d", "f e d c b a", "", "c"]
    together = run.predict(lines)
    assert together == [run.predict([line])[0] for line in lines]
    assert together[1] == together[4] == ""
    assert run.predict([]) == []


def test_answers_are_scored_as_they_were_found(run: seqloom.Run) -> None:
    lines = ["a b c", "d", "f e d c b a"]
    for line, answers in zip(lines, run.answers(lines, n_best=3, max_length=40), strict=True):
        assert len({answer.text for answer in answers}) == 3
        scores = [answer.score for answer in answers]  # type: ignore[attr-defined]
        assert scores == sorted(scores, reverse=True)
        for answer, forced in zip(answers, run.score([(line, a.text) for a in answers]), strict=True):
            assert forced.log_prob == pytest.approx(answer.log_prob, abs=1e-4)  # type: ignore[attr-defined]


def test_a_prefix_begins_every_answer(run: seqloom.Run) -> None:
    assert all(text.startswith("f a") for text in run.predict(["a b c", "d"], prefix="f a"))


def test_attention_is_over_the_source(run: seqloom.Run) -> None:
    (answers,) = run.answers(["a b c"], attention=True)
    found = answers[0].to_json()["alignment"]
    assert found["source"] == ["a", "b", "c", "<eos>"]
    assert len(found["weights"]) == len(found["target"])
    assert all(sum(row) == pytest.approx(1, abs=1e-3) and len(row) == 4 for row in found["weights"])


def test_unknown_words_are_copied(tmp_path: Path) -> None:
    run = train_pairs(tmp_path / "run", updates=3, tokenizer__min_count=40, tokenizer__kind="word")
    (copied,) = run.predict(["zebra zebra"], copy_unknown=True)
    assert "<unk>" not in copied
    assert "<unk>" not in run.predict(["zebra zebra"])[0]
    bpe = train_pairs(tmp_path / "bpe", updates=1, tokenizer__kind="bpe")
    with pytest.raises(RequestError, match="only unknown words can be copied"):
        bpe.predict(["a"], copy_unknown=True)


def test_evaluating_is_decoding(run: seqloom.Run, tmp_path: Path) -> None:
    """Several lines with one source are several references of it."""
    path = tmp_path / "other.tsv"
    path.write_text("a b c\tc b a\nd e\te d\na b c\ta a a\n")
    pairs = list(readers["pairs"](str(path)))
    sources = [pair.source for pair in pairs]
    expected = transduction_scores(sources, run.predict(sources), [pair.target for pair in pairs])
    metrics = run.evaluate(str(path))
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["pairs"] == 3
    assert "13a" in metrics["bleu_signature"]


def test_scores_by_length_cover_every_line(run: seqloom.Run, tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "other.tsv", pairs=60, seed=9)
    rows = run.evaluate_by_length(path)
    assert sum(row.lines for row in rows) == 60
    assert [row.from_length for row in rows] == [1, *(row.to_length + 1 for row in rows[:-1])]


def test_reversed_columns_learn_the_other_way(tmp_path: Path) -> None:
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"{'ab'[i % 2]} {i % 7}\t{'xy'[i % 2]} {i % 7} z\n" for i in range(80)))
    run = train_pairs(tmp_path / "run", updates=2, data__reverse=True)
    assert list(itertools.islice(run.examples(str(data)), 1)) == [("x 0 z", "a 0")]


def test_a_translator_does_not_go_on_from_a_prompt(run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match="cannot generate") as refused:
        run.generate("a")
    assert "language-model" in (refused.value.expected or "")
