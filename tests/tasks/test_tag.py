"""The tagging task: every model trains and answers, in order; scores are of what is predicted; mistakes are said."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import seqloom
from seqloom.config import flatten
from seqloom.data.lexicon import Lexicon
from seqloom.data.span_tags import legal_transitions
from seqloom.errors import RequestError, SeqloomError
from seqloom.metrics.spans import span_scores
from seqloom.models.sentence_vectors import poolings
from seqloom.nn.crf.chain import path_score
from seqloom.nn.crf.crf import CRF
from seqloom.run import make_settings
from seqloom.tasks import tasks
from tests.support.sentences import shared_tagger, train_tagger, write_sentences

TASK = tasks["tag"]
LINES = ["Then Ada Stone went to Paris .", "", "Kurt flew to Oslo City 12 times .", "   ", "Xyz"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_tagger(tmp_path_factory, updates=60)


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_tagger(tmp_path_factory, updates=30, model="lstm", output="softmax")


@pytest.mark.parametrize("model", TASK.models())
def test_every_model_trains_and_answers(model: str, tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", model=model, updates=2)
    again = seqloom.load(tmp_path / "run", threads=1)
    assert again.predict(LINES) == run.predict(LINES)
    assert again.summary["score"] == "span_f1"
    assert again.summary["valid"].keys() >= {"accuracy", "span_f1", "span_precision", "span_recall", "nats_per_token"}


@pytest.mark.parametrize("model", TASK.models())
def test_what_is_asked_for_wins_over_the_preset(model: str) -> None:
    overrides = {"words.dim": 7, "training.learning_rate": 0.5, "input_dropout": 0.0, "output": "crf"}
    flat = flatten(make_settings("tag", model, overrides))
    assert {name: flat[name] for name in overrides} == overrides


def test_it_learns(run: seqloom.Run) -> None:
    assert run.summary["valid"]["span_f1"] > 0.9
    assert run.predict(["Then Ada Stone went to Paris ."]) == [
        "Then\tO\nAda\tB-PER\nStone\tI-PER\nwent\tO\nto\tO\nParis\tB-LOC\n.\tO\n"
    ]


def test_answers_keep_the_order_and_empty_lines(run: seqloom.Run) -> None:
    together = run.predict(LINES)
    assert together == [run.predict([line])[0] for line in LINES]
    assert together[1] == together[3] == ""
    assert together == run.predict([line.split() for line in LINES])
    assert run.predict([]) == []


def test_all_that_is_known_of_an_answer(run: seqloom.Run) -> None:
    ((answer,),) = run.answers(LINES[:1], proba=True)
    assert [line.split("\t")[2] for line in answer.text.splitlines()] == [f"{p:.4f}" for p in answer.probabilities]  # type: ignore[attr-defined]
    answer_json = json.loads(json.dumps(answer.to_json()))
    assert answer_json["words"] == LINES[0].split()
    assert {"type": "PER", "start": 1, "end": 3, "text": "Ada Stone"} in answer_json["spans"]
    assert all(0 < p <= 1 for p in answer_json["probabilities"])
    assert answer.score == pytest.approx(np.log(answer.probabilities).sum())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("options", "what"), [({"n_best": 3}, "one answer"), ({"beam_size": 2}, "no option named")])
def test_what_cannot_be_asked_is_said(run: seqloom.Run, options: dict[str, int], what: str) -> None:
    with pytest.raises(RequestError, match=what):
        run.answers(["a"], **options)


def test_inputs_of_a_file_are_its_sentences(run: seqloom.Run, tmp_path: Path) -> None:
    columns = write_sentences(tmp_path / "other.conll", sentences=5)
    plain = tmp_path / "plain.txt"
    sentences = list(run.inputs(columns))
    plain.write_text("\n\n".join(" ".join(words) for words in sentences))
    assert [words for words in run.inputs(str(plain)) if words] == sentences
    assert run.predict(sentences) == [text for text in run.predict(plain.read_text().split("\n")) if text]


def test_evaluating_is_predicting(run: seqloom.Run, tmp_path: Path) -> None:
    """Tags that the training data does not have are never right."""
    path = tmp_path / "other.conll"
    write_sentences(path, sentences=40, seed=9)
    path.write_text(path.read_text() + "\nOslo B-NEW\nwent O\n\nAda B-PER\n")
    data = run.read(str(path))
    sentences = [data.sentence(i) for i in range(data.num_lines)]
    predicted = [answers[0].to_json()["tags"] for answers in run.answers([sentence.words for sentence in sentences])]
    expected = [sentence.tags for sentence in sentences]
    scores, spans = run.evaluate(data), span_scores(expected, predicted)
    right = [a == b for a, b in zip(itertools.chain(*expected), itertools.chain(*predicted), strict=True)]
    assert not all(right)
    assert scores["accuracy"] == pytest.approx(np.mean(right))
    assert (scores["span_precision"], scores["span_recall"], scores["span_f1"]) == spans[:3]
    assert (scores["tokens"], scores["sentences"]) == (len(right), 42)


def test_a_diagnosis_is_of_the_same_predictions(run: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "other.conll"
    path.write_text("Ada B-PER\nwent B-LOC\nto O\n\nOslo B-NEW\n")
    data = run.read(str(path))
    diagnosis, scores = run.diagnose(data), run.evaluate(data)
    assert diagnosis.scores["accuracy"] == scores["accuracy"] == diagnosis.confusion.accuracy
    assert diagnosis.scores["span_f1"] == scores["span_f1"]
    assert {kind.label for kind in diagnosis.classes} >= {"PER", "NEW"}
    assert {(mistake.text, mistake.expected) for mistake in diagnosis.mistakes} >= {
        ("Ada [went] to", "B-LOC"),
        ("[Oslo]", "B-NEW"),
    }
    assert sum(bucket.answers for bucket in diagnosis.bins) == 4


def test_tags_that_mark_no_spans_have_an_accuracy(tmp_path: Path) -> None:
    data = tmp_path / "sentences.conll"
    write_sentences(data)
    data.write_text(data.read_text().replace("B-", "").replace("I-", ""))
    run = train_tagger(tmp_path / "run")
    assert run.summary["score"] == "accuracy"
    assert "span_f1" not in run.summary["valid"]
    assert not isinstance(run.model.output, CRF)  # type: ignore[attr-defined]
    assert "spans" not in next(run.answers(["a b"]))[0].to_json()
    assert {kind.label for kind in run.diagnose(run.read(str(data))).classes} >= {"O", "PER"}


@pytest.mark.parametrize(("output", "is_crf"), [("auto", True), ("crf", True), ("softmax", False)])
def test_the_output_is_a_setting(tmp_path: Path, output: str, is_crf: bool) -> None:
    run = train_tagger(tmp_path / "run", output=output, updates=1)
    output = run.model.output  # type: ignore[attr-defined]
    assert isinstance(output, CRF) == is_crf
    if is_crf:
        names = run.codec.labels.names
        counts = np.zeros((len(names) + 1, len(names)), dtype=np.int64)
        assert (output.legal.numpy() == legal_transitions(names, counts)).all()


def test_online_is_the_whole_at_once(causal: seqloom.Run) -> None:
    answer = causal.online()
    for line in (LINES[0], LINES[2]):
        online = [answer(word) for word in line.split()]
        assert online == next(causal.answers([line]))[0].to_json()["tags"]
        assert answer("") == ""  # another sentence begins


def test_online_tags_of_a_crf_are_legal(tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", model="gru", updates=1)
    answer, names = run.online(), run.codec.labels.names
    tags = [answer(word) for word in ["a", "Stone", "b", "Stone", "City", "Ada", "x", "City"]]
    places = [len(names), *(names.index(tag) for tag in tags)]
    assert all(run.model.output.legal[a, b] for a, b in itertools.pairwise(places))  # type: ignore[attr-defined]


def test_what_needs_the_whole_sentence_is_not_asked_online(run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match="needs the whole sentence"):
        run.online()


@pytest.mark.parametrize("pooling", ["auto", *poolings])
def test_sentence_vectors(run: seqloom.Run, pooling: str) -> None:
    vectors = run.embed(LINES, pooling)
    assert vectors.shape[0] == len(LINES)
    assert not vectors[[1, 3]].any()
    assert vectors[[0, 2, 4]].any(axis=1).all()
    np.testing.assert_allclose(vectors[2], run.embed([LINES[2].split()], pooling)[0], rtol=1e-4, atol=1e-6)


def test_the_target_is_any_column(tmp_path: Path) -> None:
    data = tmp_path / "sentences.conll"
    write_sentences(data)
    data.write_text("".join(f"{line} {line[:1]}\n" if line else "\n" for line in data.read_text().split("\n")))
    first = train_tagger(tmp_path / "first", data__target=2, updates=1)
    second = train_tagger(tmp_path / "second", updates=1)
    assert "B-PER" in first.codec.labels.names
    assert "A" in second.codec.labels.names
    with pytest.raises(SeqloomError, match="there is no column 4"):
        train_tagger(tmp_path / "third", data__target=4)
    with pytest.raises(RequestError) as refused:
        train_tagger(tmp_path / "fourth", data__target=0)
    assert refused.value.where == "data.target"


@pytest.mark.parametrize(
    ("settings", "where"),
    [({"characters__layer": "transformer"}, "characters.layer"), ({"output": "crfs"}, "output")],
)
def test_settings_that_are_not_possible(tmp_path: Path, settings: dict[str, str], where: str) -> None:
    with pytest.raises(RequestError) as refused:
        train_tagger(tmp_path / "run", **settings)
    assert refused.value.where == where


def test_known_tags_are_kept_and_the_others_follow_from_them(run: seqloom.Run) -> None:
    """Equal to the best of all legal paths through the known tags, tried one by one."""
    names, words = run.codec.labels.names, ["Then", "Ada", "Stone", "went"]
    ((plain,),) = run.answers([words])
    assert plain.tags == ["O", "B-PER", "I-PER", "O"]  # type: ignore[attr-defined]
    ((answer,), (other,)) = run.answers([[("Then", "B-LOC"), "Ada", ("Stone", "B-PER"), ("went", None)], "Ada went"])
    assert answer.tags[0] == "B-LOC"  # type: ignore[attr-defined]
    assert answer.tags[2] == "B-PER"  # type: ignore[attr-defined]
    assert answer.probabilities[0] == answer.probabilities[2] == pytest.approx(1)  # type: ignore[attr-defined]
    ((alone,),) = run.answers(["Ada went"])
    assert other.to_json() == alone.to_json()
    crf, batch = run.model.output, Lexicon.of(words, run.codec.spelling).batch([np.arange(4)])
    with torch.no_grad():
        emissions = run.model(batch.inputs, batch.forms)[0]
    paths = [
        path for path in itertools.product(range(len(names)), repeat=4)
        if names[path[0]] == "B-LOC" and names[path[2]] == "B-PER"
    ]  # fmt: skip
    tags = torch.tensor(paths)
    scores = path_score(emissions.expand(len(paths), -1, -1), tags, crf.chain(-1e4))
    assert [names[i] for i in paths[int(scores.argmax())]] == answer.tags  # type: ignore[attr-defined]
    soft = path_score(emissions.expand(len(paths), -1, -1), tags, crf.chain(-20.0)).softmax(0)
    expected = float(soft.detach()[tags[:, 1] == names.index(answer.tags[1])].sum())  # type: ignore[attr-defined]
    assert answer.probabilities[1] == pytest.approx(expected, rel=1e-3)  # type: ignore[attr-defined]
    with pytest.raises(RequestError, match="no tag named 'B-PRE'"):
        run.answers([[("Ada", "B-PRE")]])
    for tag in (5, ["B-PER"]):
        with pytest.raises(RequestError, match="a text or a list of words"):
            run.answers([[("Ada", tag)]])


def test_known_tags_without_a_crf(causal: seqloom.Run) -> None:
    (answer,) = causal.predict([[("Then", "B-LOC"), "Ada"]])
    assert answer.splitlines()[0] == "Then\tB-LOC"
