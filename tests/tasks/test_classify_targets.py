"""`classify` with sets of labels and with numbers: every model learns them, and reports what it predicts."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

import seqloom
from seqloom.errors import RequestError
from seqloom.explain.diagnosis import diagnosis_page
from seqloom.metrics.label_sets import LabelCounts
from seqloom.metrics.regression import regression_scores
from seqloom.serving.hosted_run import HostedRun
from tests.support.command_line import CommandLine
from tests.support.labelled import LABELS, shared_labelled_run, train_labelled, write_labelled
from tests.support.served import serving
from tests.support.targets import write_label_sets, write_numbers


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("data")
    return {
        "labels": write_label_sets(folder / "sets.tsv"),
        "more labels": write_label_sets(folder / "more.tsv", examples=60, seed=8),
        "number": write_numbers(folder / "numbers.tsv"),
        "more number": write_numbers(folder / "more_numbers.tsv", examples=60, seed=8),
    }


@pytest.fixture(scope="module", params=["bow", "gru"])
def sets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data: dict[str, str]) -> seqloom.Run:
    return shared_labelled_run(
        tmp_path_factory, model=request.param, data=data["labels"], data__target="labels", updates=80,
        training__learning_rate=0.03, training__checkpoint_seconds=3600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory, data: dict[str, str]) -> seqloom.Run:
    return shared_labelled_run(
        tmp_path_factory, model="gru", data=data["number"], data__target="number", updates=80,
        training__learning_rate=0.03, training__checkpoint_seconds=3600,
    )  # fmt: skip


def flags(texts: list[str]) -> np.ndarray:
    return np.array([[label in text.split("|") for label in LABELS] for text in texts])


def rows_of(path: str) -> tuple[list[str], list[str]]:
    rows = [line.split("\t") for line in Path(path).read_text().splitlines()]
    return [target for target, _ in rows], [text for _, text in rows]


def test_scores_are_those_of_the_predictions(sets: seqloom.Run, data: dict[str, str]) -> None:
    expected, texts = rows_of(data["more labels"])
    counts = LabelCounts.of(flags(expected), flags(sets.predict(texts)))
    scores = sets.evaluate(data["more labels"])
    assert scores["micro_f1"] == pytest.approx(counts.micro_f1)
    assert scores["micro_f1"] > 0.7
    assert scores["macro_f1"] == pytest.approx(counts.macro_f1)
    assert scores["ranking_average_precision"] > 0.7
    assert 0 < scores["exact_match"] < scores["ranking_average_precision"]
    each = sets.task.example_scores(sets.trained, sets.read(data["more labels"]))  # type: ignore[attr-defined]
    assert each.value == pytest.approx(scores["micro_f1"])
    assert sets.summary["score"] == "micro_f1"


def test_answers_are_sets_or_labels_by_themselves(
    sets: seqloom.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ((best,),) = sets.answers(["the cat is red"])
    assert best.text.split("|") == list(best.labels)  # type: ignore[attr-defined]
    (every,) = sets.answers(["the cat is red"], proba=True)
    assert {answer.text: answer.probability for answer in every} == pytest.approx(best.probabilities)  # type: ignore[attr-defined]
    assert [answer.text for answer in every] == list(best.probabilities)  # type: ignore[attr-defined]
    assert [answer.text for answer in next(sets.answers(["the cat is red"], n_best=2))] == [a.text for a in every[:2]]
    cli = CommandLine(monkeypatch, capsys)
    status, output, errors = cli("predict", sets.folder, "--json", standard_input="the cat is red\nso it is\n")
    assert status == 0, errors
    first, second = (json.loads(line)["answers"][0] for line in output.splitlines())
    assert first["labels"] == list(best.labels)  # type: ignore[attr-defined]
    assert len(second["labels"]) < 3


def test_labels_that_training_lacks_are_missed(sets: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "other.tsv"
    path.write_text("animal|odd\tthe cat is\n" * 3 + "animal\tthe dog is\n")
    scores = sets.evaluate(str(path))
    _, texts = rows_of(str(path))
    predicted = [text.split("|") if text else [] for text in sets.predict(texts)]
    right = sum("animal" in labels for labels in predicted)
    assert right > 0
    assert scores["micro_f1"] == pytest.approx(2 * right / (7 + sum(map(len, predicted))))


def test_report_of_sets(sets: seqloom.Run, data: dict[str, str]) -> None:
    diagnosis = sets.diagnose(data["more labels"])
    assert [scores.label for scores in diagnosis.classes] == list(LABELS)
    page = diagnosis_page(diagnosis, "Mistakes")
    assert "Class by class" in page.body
    assert "Confusion matrix" not in page.body


def test_scores_of_numbers_are_those_of_the_predictions(numbers: seqloom.Run, data: dict[str, str]) -> None:
    expected, texts = rows_of(data["more number"])
    predicted = np.array(list(map(float, numbers.predict(texts))))
    reference = regression_scores(np.array(list(map(float, expected))), predicted)
    scores = numbers.evaluate(data["more number"])
    for name, value in reference.items():
        assert scores[name] == pytest.approx(value, rel=1e-4)
    assert scores["spearman"] > 0.8
    ((best,),) = numbers.answers([texts[0]])
    assert best.to_json() == {"number": pytest.approx(predicted[0], rel=1e-5)}
    assert (numbers.summary["score"], numbers.summary["lower_is_better"]) == ("rmse", True)


def test_what_numbers_do_not_have(numbers: seqloom.Run, data: dict[str, str]) -> None:
    for options in ({"proba": True}, {"n_best": 2}):
        with pytest.raises(RequestError, match="no such option"):
            numbers.answers(["more"], **options)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="confusion matrix"):
        numbers.diagnose(data["more number"])


@pytest.mark.parametrize("model", ["bow", "ffnn", "transformer+attention"])
@pytest.mark.parametrize("target", ["labels", "number"])
def test_models_have_every_target(target: str, model: str, data: dict[str, str], tmp_path: Path) -> None:
    run = train_labelled(tmp_path / "run", model=model, data=data[target], data__target=target, updates=1)
    texts = ["the cat is red", "more less"]
    assert seqloom.load(run.folder).predict(texts) == run.predict(texts)


def test_a_run_is_continued_with_new_labels(sets: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "new.tsv"
    rows = Path(write_label_sets(tmp_path / "x.tsv", examples=60, seed=9)).read_text().splitlines()
    path.write_text("".join(f"{row}\n" for row in [*rows, *["zebra|animal\tzebra cat"] * 20]))
    run = seqloom.train(
        "classify", str(path), initialise_from=sets, updates=1, out=tmp_path / "run", threads=1, quiet=True,
        settings={"training.learning_rate": 1e-6},
    )  # fmt: skip
    assert run.codec.labels.names == (*LABELS, "zebra")
    before, after = (
        {a.text: a.probability for a in next(each.answers(["the cat is"], proba=True))}  # type: ignore[attr-defined]
        for each in (sets, run)
    )
    assert sorted(before, key=before.__getitem__) == [
        label for label in sorted(after, key=after.__getitem__) if label in before
    ]
    assert before.keys() < after.keys()


def test_another_target_is_no_continuation(sets: seqloom.Run, data: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"data\.target"):
        seqloom.train(
            "classify", data["number"], initialise_from=sets, updates=1, out=tmp_path / "run", threads=1, quiet=True,
            settings={"data.target": "number"},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data.class_weights", "balanced"),
        ("data.sampling", "balanced"),
        ("output.label_smoothing", 0.1),
        ("data.label_separator", "|"),
    ],
)
def test_settings_of_another_target_are_refused(
    setting: str, value: object, data: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=setting):
        seqloom.train(
            "classify", data["number"], model="gru", updates=1, out=tmp_path / "run", quiet=True,
            settings={"data.target": "number", setting: value},
        )  # fmt: skip


def test_settings_of_sets_change_the_loss(data: dict[str, str], tmp_path: Path) -> None:
    losses = set()
    for number, (setting, value) in enumerate(
        [("data__max_length", 500), ("data__class_weights", "balanced"), ("output__label_smoothing", 0.2)]
    ):
        run = train_labelled(
            tmp_path / str(number), data=data["labels"], data__target="labels", updates=3, **{setting: value}
        )
        losses.add(round(run.summary["valid"]["nats_per_example"], 9))
    assert len(losses) == 3


def test_lists_in_cells_are_sets_without_a_setting(tmp_path: Path) -> None:
    targets, texts = rows_of(write_label_sets(tmp_path / "x.tsv"))
    path = tmp_path / "sets.parquet"
    rows = [
        {"labels": target.split("|") if target else [], "text": text}
        for target, text in zip(targets, texts, strict=True)
    ]
    pl.DataFrame(rows).write_parquet(path)
    run = train_labelled(tmp_path / "run", model="bow", data=str(path), updates=2)
    assert run.plan.settings.data.target == "labels"  # type: ignore[attr-defined]
    assert run.codec.labels.names == LABELS
    ((best,),) = run.answers(["the cat is red"])
    assert best.text == "|".join(best.labels)  # type: ignore[attr-defined]
    assert sorted(best.probabilities) == sorted(LABELS)  # type: ignore[attr-defined]
    assert run.evaluate(rows)["examples"] == 150


def test_a_warning_names_the_other_target(data: dict[str, str], tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="target=number"):
        train_labelled(tmp_path / "run", model="bow", data=data["number"], updates=1)


def test_vectors_have_sets_and_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(120, 3))
    frame = pl.DataFrame({f"x{i}": points[:, i] for i in range(3)})
    labelled = frame.with_columns(up=pl.Series(points[:, 0] > 0).cast(int), right=pl.Series(points[:, 1] > 0).cast(int))
    labelled.write_csv(tmp_path / "sets.csv")
    run = seqloom.train(
        "classify", str(tmp_path / "sets.csv"), model="ffnn", columns={"label": "up+right"}, updates=150,
        out=tmp_path / "sets", threads=1, quiet=True, settings={"training.learning_rate": 0.01},
    )  # fmt: skip
    assert run.evaluate(str(tmp_path / "sets.csv"))["micro_f1"] > 0.9
    assert run.predict([np.array([3.0, 3.0, 0.0])])[0].split("|")[0] in ("up", "right")
    frame.with_columns(target=pl.Series(points.sum(1))).write_csv(tmp_path / "numbers.csv")
    run = seqloom.train(
        "classify", str(tmp_path / "numbers.csv"), model="ffnn", updates=150, out=tmp_path / "numbers", threads=1,
        quiet=True, settings={"data.target": "number", "training.learning_rate": 0.01},
    )  # fmt: skip
    assert run.evaluate(str(tmp_path / "numbers.csv"))["spearman"] > 0.9


@pytest.mark.slow
def test_comparisons_of_sets(data: dict[str, str], tmp_path: Path) -> None:
    comparison = seqloom.compare(
        "classify", data["labels"], models=["bow", "ffnn"], updates=2, seeds=1, out=tmp_path / "compared", threads=1,
        settings={"data.target": "labels", "tokenizer.min_count": 1, "bow:model.min_count": 1},
    )  # fmt: skip
    assert comparison.report["score"].endswith("micro_f1")


def test_classes_stay_the_default(tmp_path: Path) -> None:
    run = train_labelled(tmp_path / "run", data=write_labelled(tmp_path / "x.tsv"), updates=1)
    assert json.loads((run.folder / "labels.json").read_text()) == list(LABELS)


def test_sets_and_numbers_are_served(sets: seqloom.Run, numbers: seqloom.Run) -> None:
    with serving([HostedRun("sets", sets), HostedRun("numbers", numbers)]) as address:
        post = partial(httpx.post, f"{address}/v1/classify", timeout=60)
        result = post(json={"model": "sets", "input": "the cat is red", "words": True}).json()["results"][0]
        ((best,),) = sets.answers(["the cat is red"])
        assert result["labels"] == list(best.labels)  # type: ignore[attr-defined]
        assert [entry["label"] for entry in result["classes"]] == list(best.probabilities)  # type: ignore[attr-defined]
        assert [word["text"] for word in result["words"]] == ["the", "cat", "is", "red"]
        result = post(json={"model": "numbers", "input": "more more", "words": True}).json()["results"][0]
        assert result["number"] == pytest.approx(float(numbers.predict(["more more"])[0]), rel=1e-4)
        assert (result["classes"], result["words"]) == ([], None)
