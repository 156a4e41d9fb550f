"""Runs that answer together: what they give, and what they refuse, for every task that has ensembles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from seqloom.errors import RequestError
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import FormsEnsembles
from tests.support.command_line import CommandLine
from tests.support.labelled import SMALL_NETWORK as SMALL_CLASSIFIER
from tests.support.pairs import train_pairs
from tests.support.shared import shared
from tests.support.small_tasks import SMALL_TASKS, task_of

Trainings = tuple[str, list[seqloom.Run]]
NAMES = [name for name in SMALL_TASKS if isinstance(tasks[task_of(name)], FormsEnsembles)]


def train_twice(name: str, folder: Path) -> Trainings:
    """The data, and two runs with different seeds."""
    folder.mkdir(exist_ok=True)
    small = SMALL_TASKS[name]
    data = small.data(folder)
    runs = [
        seqloom.train(
            task_of(name), data, model=small.model, updates=small.updates, epochs=small.epochs, seed=seed,
            out=folder / f"run-{seed}", quiet=True, threads=1, settings=small.all_settings(data),
        )
        for seed in (1, 2)
    ]  # fmt: skip
    return data, runs


def assert_close(metrics: Mapping[str, Any], expected: Mapping[str, Any], tolerance: float) -> None:
    """All metrics; a text, such as the signature of BLEU, is the same."""
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        close = value if isinstance(value, str) else pytest.approx(value, rel=tolerance, abs=tolerance)
        assert metrics[name] == close, name


@pytest.fixture(scope="module", params=NAMES)
def trained_twice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return shared(tmp_path_factory, lambda folder: train_twice(request.param, folder))


@pytest.fixture(scope="module")
def translators(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return shared(tmp_path_factory, lambda folder: train_twice("translate", folder))


def test_runs_answer_together(trained_twice: Trainings) -> None:
    """A run with itself is the run; the order of others does not matter."""
    data, (one, other) = trained_twice
    alone, both = one.evaluate(data), one.ensemble([other]).evaluate(data)
    assert_close(one.ensemble([one]).evaluate(data), alone, 1e-4)
    assert_close(other.ensemble([one]).evaluate(data), both, 1e-3)
    for metric in (name for name in both if name.startswith("nats")):
        # By Jensen's inequality the loss of a mean of probabilities is at most the mean of the losses; so is that of a
        # geometric mean, whose sum is at most 1 before it is normalised.
        assert both[metric] <= (alone[metric] + other.evaluate(data)[metric]) / 2 + 1e-6
        assert both[metric] != pytest.approx(alone[metric], rel=1e-6)


def test_an_ensemble_is_no_run(trained_twice: Trainings, tmp_path: Path) -> None:
    """What needs the folder or the hidden states of one run is refused."""
    data, (one, other) = trained_twice
    both = one.ensemble([other])
    # A CRF has the mean of the transitions as well.
    assert both.num_parameters() >= one.num_parameters() + other.num_parameters()
    with pytest.raises(RequestError, match="an ensemble cannot embed"):
        both.embed(["a b"])
    with pytest.raises(RequestError, match="an ensemble cannot be saved"):
        both.save(tmp_path / "copy")
    with pytest.raises(RequestError, match="an ensemble cannot be explained"):
        both.explain(data)
    with pytest.raises(RequestError, match="an ensemble cannot form an ensemble"):
        both.ensemble([one])
    assert not (tmp_path / "copy").exists()


def test_probabilities_of_translators_are_averaged(translators: Trainings, tmp_path: Path) -> None:
    data, runs = translators
    lines = Path(data).read_text().splitlines()[:20]
    pairs = [tuple(line.split("\t")) for line in lines]
    tokens = [[[token.log_prob for token in row] for row in run.score_tokens(pairs)] for run in runs]
    together = runs[0].ensemble(runs[1:])
    for number, row in enumerate(together.score_tokens(pairs)):
        expected = np.log(np.mean([np.exp(each[number]) for each in tokens], axis=0))
        np.testing.assert_allclose([token.log_prob for token in row], expected, atol=1e-4)
    (tmp_path / "some.tsv").write_text("\n".join(lines) + "\n")
    scores = [score.log_prob for score in together.score(pairs)]
    metrics = together.evaluate(str(tmp_path / "some.tsv"))
    assert metrics["nats_per_token"] == pytest.approx(-sum(scores) / metrics["tokens"], rel=1e-5)


@pytest.mark.parametrize("target", ["class", "labels", "number"])
def test_answers_of_classifiers_are_averaged(target: str, tmp_path: Path) -> None:
    rows = [("2,4" if target == "labels" else "2", "a b c"), ("4", "d e"), ("1", "f g a")] * 40
    data = tmp_path / "data.tsv"
    data.write_text("".join(f"{label}\t{text} {number % 7}\n" for number, (label, text) in enumerate(rows)))
    settings = {**SMALL_CLASSIFIER, "embedding.dim": 6, "model.hidden_size": 8, "data.target": target}
    settings |= {"data.label_separator": ","} if target == "labels" else {}
    runs = [
        seqloom.train(
            "classify", str(data), model="gru", updates=15, seed=seed, out=tmp_path / f"run-{seed}", quiet=True,
            threads=1, settings=settings,
        )
        for seed in (1, 2)
    ]  # fmt: skip
    together, text = runs[0].ensemble(runs[1:]), ["a b c 1"]

    def numbers(run: seqloom.Run) -> dict[str, float]:
        (answers,) = run.answers(text, proba=target != "number" or None)
        if target == "number":
            return {"number": answers[0].to_json()["number"]}
        return {answer.to_json()["label"]: answer.to_json()["probability"] for answer in answers}

    alone, both = [numbers(run) for run in runs], numbers(together)
    for name, number in both.items():
        assert number == pytest.approx(np.mean([each[name] for each in alone]), abs=1e-5)
    assert alone[0] != alone[1]


def test_the_command_line_evaluates_and_scores_ensembles(
    translators: Trainings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, (one, other) = translators
    cli, together = CommandLine(monkeypatch, capsys), one.ensemble([other])
    status, output, errors = cli("evaluate", one.folder, data, "--ensemble", other.folder, "--json")
    assert status == 0, errors
    assert_close(json.loads(output), together.evaluate(data), 1e-5)
    status, output, errors = cli("score", one.folder, data, "--ensemble", other.folder)
    assert status == 0, errors
    expected = [score.log_prob for score in together.score(one.examples(data))]
    assert [float(line.split("\t")[0]) for line in output.splitlines()] == pytest.approx(expected, abs=1e-4)


def test_runs_of_different_kinds(translators: Trainings, tmp_path: Path) -> None:
    _, (translator, _) = translators
    text = SMALL_TASKS["language-model"]
    model = text.train("language-model", text.data(tmp_path), tmp_path / "model")
    with pytest.raises(RequestError, match="must be of one task"):
        translator.ensemble([model])
    with pytest.raises(RequestError, match="a run of language-model cannot form an ensemble"):
        model.ensemble([model])


def test_joint_ngrams_in_an_ensemble_only_answer(tmp_path: Path) -> None:
    joint, network = train_pairs(tmp_path / "joint", model="joint-ngram"), train_pairs(tmp_path / "network", updates=30)
    together = joint.ensemble([network])
    data = str(tmp_path / "pairs.tsv")
    metrics = together.evaluate(data)
    targets = dict(line.split("\t") for line in Path(data).read_text().splitlines())
    right = [answer == target for answer, target in zip(together.predict(targets), targets.values(), strict=True)]
    assert metrics["exact_match"] == pytest.approx(np.mean(right))
    assert together.num_parameters() == joint.num_parameters() + network.num_parameters()
    for refused in (together.score, together.score_tokens, together.align):
        with pytest.raises(RequestError, match="has no probabilities"):
            list(refused([("a", "a")]))
