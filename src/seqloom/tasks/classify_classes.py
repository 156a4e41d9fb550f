"""One class for each example: accuracy, macro F1, calibration error, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.labelled import LabelledData
from seqloom.data.labels import UNSEEN
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.decision import Decided, Decision, fit_temperature
from seqloom.metrics.classification import (
    CalibrationBin,
    Confusion,
    Diagnosis,
    Mistake,
    calibration,
    expected_calibration_error,
)
from seqloom.metrics.example_scores import ExampleScores
from seqloom.models.class_model import ClassModel
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.classify_answers import (
    MOST_MISTAKES,
    Answers,
    check_n_best,
    decided_examples,
    nats_per_example,
    num_cut,
    outputs_of,
)
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score


class ClassAnswers(Answers):
    """A label that is not in the training data is never predicted, and so always wrong."""

    score = Score("accuracy", lower_is_better=False)

    def metrics(self, total: Loss, data: LabelledData) -> dict[str, float]:
        return nats_per_example(total, data)

    def output_metrics(self, trained: Trained, data: LabelledData, brief: bool) -> dict[str, Any]:  # noqa: ARG002
        confusion, bins = _judged(data.labels, *_best_classes(trained, data))
        return _scores(trained, data, confusion, bins)

    def example_scores(self, trained: Trained, data: LabelledData) -> ExampleScores:
        predicted, _ = _best_classes(trained, data)
        right = [label == answer for label, answer in zip(data.labels, predicted, strict=True)]
        return ExampleScores("ratio", "example", np.column_stack([right, np.ones(len(right))]).astype(np.float64))

    def texts(self, trained: Trained, data: LabelledData, numbers: Sequence[int]) -> list[str]:
        names = data.codec.labels.names
        decided = decided_examples(trained, data, np.array(numbers))
        return [names[int(example.outputs.argmax())] for example in decided]

    def check_options(self, n_best: int | None, proba: bool) -> None:  # noqa: ARG002
        check_n_best(n_best)

    def predictions(
        self, trained: Trained, decided: Decided, source: Sequence[str] | None, n_best: int | None, proba: bool
    ) -> Sequence[Decision]:
        """Every class, most probable first, or the first `n_best` classes; with `proba` always all."""
        return ranked_labels(decided, trained.codec.labels.names, None if proba else n_best, source)

    def diagnose(self, trained: Trained, data: LabelledData) -> Diagnosis:
        predicted, probabilities = _best_classes(trained, data)
        expected = data.labels
        confusion, bins = _judged(expected, predicted, probabilities)
        wrong = [i for i in np.argsort(-probabilities, kind="stable") if predicted[i] != expected[i]]
        return Diagnosis(
            scores=_scores(trained, data, confusion, bins),
            classes=confusion.classes(),
            confusion=confusion,
            mistakes=[
                Mistake(data.shown(i), expected[i], predicted[i], float(probabilities[i]))
                for i in wrong[:MOST_MISTAKES]
            ],
            bins=bins,
        )

    def calibrate(self, trained: Trained, valid: LabelledData) -> None:
        """Fits the temperature on the examples whose label is in the training data."""
        model: ClassModel = trained.model
        model.temperature.fill_(1.0)
        known = np.flatnonzero(valid.class_ids != UNSEEN)
        if not len(known):
            return
        log_probs = np.stack([decided.outputs for decided in decided_examples(trained, valid, known)])
        model.temperature.fill_(fit_temperature(torch.from_numpy(log_probs), torch.from_numpy(valid.class_ids[known])))


def ranked_labels(
    decided: Decided, names: Sequence[str], most: int | None, source: Sequence[str] | None
) -> list[Decision]:
    """The most probable classes or labels, each with its probability."""
    decisions = []
    for i in np.argsort(-decided.outputs, kind="stable")[:most]:
        score = float(decided.outputs[i])
        alignment = None
        if source is not None and decided.attention is not None:
            alignment = Alignment(source, [names[i]], decided.attention[None])
        decisions.append(Decision(names[i], float(np.exp(score)), score, alignment))
    return decisions


def _best_classes(trained: Trained, data: LabelledData) -> tuple[list[str], NDArray[np.float64]]:
    """The most probable label of each example, and its probability."""
    log_probs, names = outputs_of(trained, data), data.codec.labels.names
    return [names[i] for i in log_probs.argmax(1)], np.exp(log_probs.max(1).astype(np.float64))


def _judged(
    expected: Sequence[str], predicted: Sequence[str], probabilities: NDArray[np.float64]
) -> tuple[Confusion, list[CalibrationBin]]:
    right = [label == prediction for label, prediction in zip(expected, predicted, strict=True)]
    return Confusion.of(expected, predicted), calibration(probabilities.tolist(), right)


def _scores(
    trained: Trained, data: LabelledData, confusion: Confusion, bins: Sequence[CalibrationBin]
) -> dict[str, float]:
    return {
        "accuracy": confusion.accuracy,
        "macro_f1": confusion.macro_f1,
        "expected_calibration_error": expected_calibration_error(bins),
        "cut": num_cut(trained, data),
    }
