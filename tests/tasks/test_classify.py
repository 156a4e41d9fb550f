"""The classification task: every model trains and answers, in order; scores are of the answers; mistakes are said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
from seqloom.config import flatten
from seqloom.data.readers import readers
from seqloom.errors import RequestError, SeqloomError
from seqloom.run import make_settings
from seqloom.tasks import tasks
from seqloom.tasks.classify_models import class_weights
from tests.support.labelled import LABELS, shared_labelled_run, sizes, train_labelled, write_labelled, write_series

TASK = tasks["classify"]
LINES = ["the cat is", "", "so it is blue 17", "one", "never seen words"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_labelled_run(tmp_path_factory, model="gru+attention", updates=40, training__learning_rate=0.02)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_labelled_run(tmp_path_factory, model="bow", updates=60)


@pytest.mark.parametrize("model", TASK.models())
def test_every_model_trains_and_answers(model: str, tmp_path: Path) -> None:
    run = train_labelled(tmp_path / "run", model=model, updates=3)
    again = seqloom.load(tmp_path / "run", threads=1)
    assert [a for (a, *_) in again.answers(LINES)] == [a for (a, *_) in run.answers(LINES)]
    assert again.summary["score"] == "accuracy"
    names = {"accuracy", "macro_f1", "nats_per_example", "expected_calibration_error", "examples", "cut"}
    assert again.summary["valid"].keys() == names
    assert again.summary["classes"] == 3


@pytest.mark.parametrize("model", ["ffnn", "mingru", "bigru+attention", "transformer"])
def test_sequences_of_numbers_are_classified(model: str, tmp_path: Path) -> None:
    path = write_series(tmp_path / "series.ts")
    run = train_labelled(tmp_path / "run", model=model, updates=3, data=path)
    sequences = [source for _, source in readers["labelled"](path)]
    read = list(run.inputs(path))
    assert run.predict(read) == run.predict(sequences)
    assert run.predict([sequences[3]]) == run.predict(sequences)[3:4]
    assert set(run.predict(sequences)) <= {"rise", "fall", "still"}
    assert run.summary["channels"] == 2


def test_a_row_is_a_vector_or_a_sequence(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("".join(f"{i},{(3 * i) % 5},{i % 2}\n" for i in range(150)))
    for vector in ("channels", "steps"):
        run = train_labelled(tmp_path / vector, model="gru", updates=2, data=str(path), data__vector=vector)
        assert run.summary["channels"] == (2 if vector == "channels" else 1)
        assert run.predict(list(run.inputs(str(path))))[0] == run.predict([np.float32([0, 0])])[0]


def test_a_bag_of_words_learns_what_words_tell(bag: seqloom.Run) -> None:
    assert bag.predict(["the cat is", "so it is blue", "one"]) == ["animal", "colour", "number"]
    with pytest.raises(RequestError, match="has no vectors"):
        next(bag.task.embed(bag.trained, ["a"], "auto"))  # type: ignore[attr-defined]


def test_answers_keep_the_order(run: seqloom.Run) -> None:
    together = run.predict(LINES)
    assert together == [run.predict([line])[0] for line in LINES]
    assert run.predict([]) == []


def test_answers_are_all_classes_the_most_probable_first(run: seqloom.Run) -> None:
    for answers in run.answers(LINES):
        decisions: list[Any] = list(answers)
        assert sorted(answer.text for answer in decisions) == sorted(LABELS)
        assert sum(answer.probability for answer in decisions) == pytest.approx(1, abs=1e-5)
        assert [answer.score for answer in decisions] == sorted((answer.score for answer in decisions), reverse=True)
        assert all(np.exp(answer.score) == pytest.approx(answer.probability) for answer in decisions)
    assert all(len(answers) == 2 for answers in run.answers(LINES, n_best=2))
    assert all(len(answers) == 3 for answers in run.answers(LINES, n_best=1, proba=True))


def test_attention_is_over_what_is_read(run: seqloom.Run) -> None:
    (answers,) = run.answers(["so it is blue"], attention=True)
    alignment = answers[0].to_json()["alignment"]
    assert alignment["source"] == ["so", "it", "is", "blue", "<eos>"]
    assert alignment["target"] == [answers[0].text]
    assert sum(alignment["weights"][0]) == pytest.approx(1, abs=1e-3)
    json.dumps(answers[0].to_json())


@pytest.mark.parametrize(("options", "says"), [({"beam_size": 3}, "no option"), ({"n_best": 0}, "out of range")])
def test_what_it_does_not_know_is_refused(run: seqloom.Run, options: dict[str, int], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        run.answers(["a"], **options)


def test_evaluating_is_answering(run: seqloom.Run, tmp_path: Path) -> None:
    """A label that training had not is a mistake, and has no part in the loss."""
    path = tmp_path / "other.tsv"
    path.write_text("animal\tthe cat\ncolour\tblue\nplanet\tmars\n")
    examples = list(readers["labelled"](str(path)))
    predicted = run.predict([example.source for example in examples])
    metrics = run.evaluate(str(path))
    right = [example.label == label for example, label in zip(examples, predicted, strict=True)]
    assert metrics["accuracy"] == pytest.approx(np.mean(right))
    assert metrics["examples"] == 3
    nats = [next(a.score for a in answers if a.text == label)  # type: ignore[attr-defined]
            for answers, label in zip(run.answers(["the cat", "blue"]), ["animal", "colour"], strict=True)]  # fmt: skip
    assert metrics["nats_per_example"] == pytest.approx(-np.mean(nats), abs=1e-5)
    only = tmp_path / "only.tsv"
    only.write_text("planet\tmars\n")
    assert "nats_per_example" not in run.evaluate(str(only))


def test_a_diagnosis_says_what_is_wrong_and_how_sure(run: seqloom.Run, tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "other.tsv", examples=60, seed=9)
    data = run.read(path)
    diagnosis = run.diagnose(data)
    metrics = run.evaluate(path)
    assert diagnosis.scores.items() <= metrics.items()
    assert diagnosis.confusion.counts.sum() == 60 == sum(bucket.answers for bucket in diagnosis.bins)
    assert len(diagnosis.mistakes) == 60 - np.trace(diagnosis.confusion.counts)
    assert [m.probability for m in diagnosis.mistakes] == sorted(
        (m.probability for m in diagnosis.mistakes), reverse=True
    )
    assert all(run.predict([m.text]) == [m.predicted] for m in diagnosis.mistakes)


def test_training_ends_with_a_fitted_temperature(run: seqloom.Run) -> None:
    """It is saved with the weights, and makes the validation labels more probable."""
    fitted = float(run.model.temperature)  # type: ignore[arg-type]
    assert fitted != 1.0
    assert float(seqloom.load(run.folder).model.temperature) == fitted  # type: ignore[arg-type]
    path = write_labelled(run.folder.parent / "same.tsv", seed=5)
    data = run.read(path)
    with torch.no_grad():
        run.task.calibrate(run.trained, data)  # type: ignore[attr-defined]
        calibrated = run.evaluate(data)["nats_per_example"]
        for other in (0.8, 1.25):
            run.model.temperature.fill_(other * float(run.model.temperature))  # type: ignore[arg-type,operator,union-attr]
            assert run.evaluate(data)["nats_per_example"] > calibrated - 1e-3
            run.model.temperature.fill_(fitted)  # type: ignore[operator,union-attr]


def test_vectors_are_what_the_model_decides_by(run: seqloom.Run) -> None:
    lines = ["the cat is", "blue", "one two three"]
    vectors = list(run.task.embed(run.trained, lines, "auto"))  # type: ignore[attr-defined]
    model: Any = run.model
    with torch.no_grad():
        logits = model.output(model.net(torch.from_numpy(np.stack(vectors)))) / model.temperature
    best = [run.codec.labels.names[i] for i in logits.argmax(1)]
    assert best == run.predict(lines)
    (mean,) = run.task.embed(run.trained, ["cat"], "word-mean")  # type: ignore[attr-defined]
    assert mean.shape == (6,)


@pytest.mark.parametrize("long", ["start", "end", "both"])
def test_long_texts_are_cut_and_counted(tmp_path: Path, long: str) -> None:
    run = train_labelled(tmp_path / "run", updates=2, data__max_length=4, data__long=long)
    path = tmp_path / "other.tsv"
    path.write_text("animal\ta the is so it cat\ncolour\tblue\n")
    assert run.evaluate(str(path))["cut"] == 1
    first, second = (next(iter(run.answers([text]))) for text in ("a the is so it cat", "a the is so it dog"))
    assert (first[0].score == second[0].score) == (long == "start")


def test_a_streamed_text_is_read_to_its_end(tmp_path: Path) -> None:
    streamed = train_labelled(tmp_path / "streamed", model="gru", updates=2, data__max_length=3, data__long="stream")
    words = "a the is so it cat is so"
    assert streamed.model.encoder.chunk_size == 3  # type: ignore[union-attr]
    whole = streamed.model.encoder  # type: ignore[union-attr]
    before = [answers[0].score for answers in streamed.answers([words])]
    whole.chunk_size = 0  # type: ignore[union-attr,assignment]
    assert [answers[0].score for answers in streamed.answers([words])] == pytest.approx(before, abs=1e-5)
    assert streamed.summary["valid"]["cut"] == 0


@pytest.mark.parametrize("model", ["bow", "bilstm", "transformer"])
def test_what_needs_the_whole_is_not_streamed(model: str) -> None:
    with pytest.raises(RequestError, match="cannot be streamed") as refused:
        make_settings("classify", model, {"data.long": "stream"})
    assert refused.value.where == "data.long"


def test_numbers_have_no_words(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no words"):
        train_labelled(tmp_path / "run", model="bow", data=write_series(tmp_path / "series.ts"))


def test_a_model_of_text_reads_no_numbers(run: seqloom.Run, tmp_path: Path) -> None:
    path = write_series(tmp_path / "series.ts")
    with pytest.raises(RequestError, match="the model reads text"):
        run.evaluate(path)
    with pytest.raises(SeqloomError, match="the model reads text"):
        run.predict([np.zeros((3, 2), np.float32)])


def test_balanced_classes_weigh_one_on_the_mean() -> None:
    class_ids = np.array([0] * 90 + [1] * 9 + [2])
    weights = class_weights(class_ids, 3, "balanced")
    assert float(weights[class_ids].mean()) == pytest.approx(1)
    totals = [float(weights[i]) * int((class_ids == i).sum()) for i in range(3)]
    assert totals == pytest.approx([100 / 3] * 3)
    assert class_weights(class_ids, 3, "none").tolist() == [1, 1, 1]


def test_classes_are_not_balanced_twice() -> None:
    with pytest.raises(RequestError, match="balanced twice"):
        make_settings("classify", "bow", {"data.sampling": "balanced", "data.class_weights": "balanced"})


def test_balanced_sampling_trains_on_other_batches(tmp_path: Path) -> None:
    rows = [f"{'rare' if i % 10 == 0 else 'frequent'}\tword{i % 7} text" for i in range(100)]
    data = tmp_path / "data.tsv"
    data.write_text("\n".join(rows) + "\n")
    nats = [
        train_labelled(tmp_path / kind, model="bow", data=str(data), updates=3, data__sampling=kind)
        .summary["valid"]["nats_per_example"]
        for kind in ("all", "balanced")
    ]  # fmt: skip
    assert nats[0] < nats[1]


@pytest.mark.parametrize("model", TASK.models())
def test_what_is_asked_for_wins_over_the_preset(model: str) -> None:
    overrides: dict[str, Any] = {**sizes(model), "training.learning_rate": 0.5, "data.examples_per_batch": 3}
    flat = flatten(make_settings("classify", model, overrides))
    assert {name: flat[name] for name in overrides} == overrides


def test_attention_in_the_name_is_attention() -> None:
    with pytest.raises(RequestError, match="not valid"):
        make_settings("classify", "lstm+attention", {"output.pool": "max"})
    assert flatten(make_settings("classify", "lstm", {"pool": "last"}))["output.pool"] == "last"


def test_a_bag_without_a_frequent_n_gram_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="frequent enough") as caught:
        train_labelled(tmp_path / "run", model="bow", model__min_count=999)
    assert (caught.value.where, caught.value.got) == ("model.min_count", 999)
