"""A set of labels for each example: micro and macro F1, ranking average precision, thresholds fitted after training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.labelled import LabelledData
from seqloom.data.targets import LabelSets
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.decision import Decided, LabelSet, fit_label_temperature
from seqloom.metrics.classification import (
    CalibrationBin,
    Confusion,
    Diagnosis,
    Mistake,
    calibration,
    class_scores,
    expected_calibration_error,
)
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.label_sets import Flags, LabelCounts, best_thresholds, ranking_average_precision
from seqloom.models.class_model import ClassModel
from seqloom.tasks.capabilities import Prediction, Trained
from seqloom.tasks.classify_answers import (
    MOST_MISTAKES,
    Answers,
    check_n_best,
    decided_examples,
    nats_per_example,
    num_cut,
    outputs_of,
)
from seqloom.tasks.classify_classes import ranked_labels
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score


class Judged(NamedTuple):
    """Examples with their labels, (examples, labels) each. Labels that are not in the training data come last in
    `names`; they are never predicted."""

    names: tuple[str, ...]
    expected: Flags
    predicted: Flags
    probabilities: NDArray[np.float64]

    @property
    def counts(self) -> LabelCounts:
        return LabelCounts.of(self.expected, self.predicted)

    def bins(self) -> list[CalibrationBin]:
        return calibration(self.probabilities.ravel().tolist(), self.expected.ravel().tolist())


class LabelSetAnswers(Answers):
    score = Score("micro_f1", lower_is_better=False)

    def metrics(self, total: Loss, data: LabelledData) -> dict[str, float]:
        return nats_per_example(total, data)

    def output_metrics(self, trained: Trained, data: LabelledData, brief: bool) -> dict[str, Any]:
        """During training, when thresholds are not yet fitted, with those that are the best for this data."""
        judged = _judged(trained, data, fits_thresholds=brief)
        return _scores(trained, data, judged, judged.bins())

    def example_scores(self, trained: Trained, data: LabelledData) -> ExampleScores:
        judged = _judged(trained, data)
        right = (judged.expected & judged.predicted).sum(1)
        return ExampleScores("f1", "example", np.column_stack([right, judged.expected.sum(1), judged.predicted.sum(1)]))

    def texts(self, trained: Trained, data: LabelledData, numbers: Sequence[int]) -> list[str]:
        decided = decided_examples(trained, data, np.array(numbers))
        return [_label_set(trained, example, None).text for example in decided]

    def check_options(self, n_best: int | None, proba: bool) -> None:  # noqa: ARG002
        check_n_best(n_best)

    def predictions(
        self, trained: Trained, decided: Decided, source: Sequence[str] | None, n_best: int | None, proba: bool
    ) -> Sequence[Prediction]:
        """The set of labels; with `n_best` or `proba` the most probable labels or all, each with its probability."""
        if n_best is None and not proba:
            return [_label_set(trained, decided, source)]
        return ranked_labels(decided, trained.codec.labels.names, None if proba else n_best, source)

    def diagnose(self, trained: Trained, data: LabelledData) -> Diagnosis:
        """Label by label; there is no confusion matrix, because one label does not stand in place of another."""
        judged, targets = _judged(trained, data), cast(LabelSets, data.codec.targets)
        bins = judged.bins()
        columns = zip(judged.names, *(column.tolist() for column in judged.counts), strict=True)
        confidence = np.where(judged.predicted, judged.probabilities, 1 - judged.probabilities)
        surest = np.where(judged.expected != judged.predicted, confidence, 0.0).max(1, initial=0.0)
        mistakes = []
        for i in np.argsort(-surest, kind="stable")[:MOST_MISTAKES]:
            if surest[i] > 0:
                expected, predicted = (
                    targets.join(name for name, flag in zip(judged.names, flags[i], strict=True) if flag)
                    for flags in (judged.expected, judged.predicted)
                )
                mistakes.append(Mistake(data.shown(i), expected, predicted, float(surest[i])))
        return Diagnosis(
            scores=_scores(trained, data, judged, bins),
            classes=[class_scores(*column) for column in columns],
            confusion=Confusion((), np.zeros((0, 0), np.int64)),
            mistakes=mistakes,
            bins=bins,
        )

    def calibrate(self, trained: Trained, valid: LabelledData) -> None:
        """Fits the temperature, then the threshold of each label."""
        model: ClassModel = trained.model
        model.temperature.fill_(1.0)
        log_probs = torch.from_numpy(outputs_of(trained, valid))
        if not len(valid) or not len(valid.targets.numbers):
            return
        targets = valid.codec.targets.batch(valid.targets.rows(np.arange(len(valid))))
        model.temperature.fill_(fit_label_temperature(log_probs, torch.from_numpy(targets)))
        probabilities = np.exp(outputs_of(trained, valid))
        model.thresholds.copy_(torch.from_numpy(best_thresholds(targets > 0, probabilities)))


def _judged(trained: Trained, data: LabelledData, fits_thresholds: bool = False) -> Judged:
    targets = cast(LabelSets, data.codec.targets)
    sets = [targets.split(text) for text in data.labels]
    unseen = sorted({label for labels in sets for label in labels} - set(targets.labels.names))
    names = (*targets.labels.names, *unseen)
    place = {name: i for i, name in enumerate(names)}
    expected = np.zeros((len(sets), len(names)), dtype=bool)
    for row, labels in enumerate(sets):
        expected[row, [place[label] for label in labels]] = True
    known = len(targets.labels)
    probabilities = np.exp(outputs_of(trained, data)) if len(sets) else np.zeros((0, known), np.float32)
    thresholds = trained.model.thresholds.numpy(force=True)
    if fits_thresholds:
        thresholds = best_thresholds(expected[:, :known], probabilities).astype(np.float32)
    padding = ((0, 0), (0, len(unseen)))
    return Judged(
        names, expected, np.pad(probabilities > thresholds, padding), np.pad(probabilities.astype(np.float64), padding)
    )


def _scores(trained: Trained, data: LabelledData, judged: Judged, bins: Sequence[CalibrationBin]) -> dict[str, float]:
    counts = judged.counts
    return {
        "micro_f1": counts.micro_f1,
        "macro_f1": counts.macro_f1,
        "ranking_average_precision": ranking_average_precision(judged.expected, judged.probabilities),
        "exact_match": float((judged.expected == judged.predicted).all(1).mean()) if len(judged.expected) else 0.0,
        "expected_calibration_error": expected_calibration_error(bins),
        "cut": num_cut(trained, data),
    }


def _label_set(trained: Trained, decided: Decided, source: Sequence[str] | None) -> LabelSet:
    targets: LabelSets = trained.codec.targets
    names, log_probs = targets.labels.names, decided.outputs.astype(np.float64)
    probabilities = np.exp(decided.outputs)
    holds = probabilities > trained.model.thresholds.numpy(force=True)
    order = np.argsort(-log_probs, kind="stable")
    labels = tuple(names[i] for i in order if holds[i])
    text = targets.join(labels)
    alignment = None
    if source is not None and decided.attention is not None:
        alignment = Alignment(source, [text], decided.attention[None])
    others = np.log(np.maximum(-np.expm1(log_probs), 1e-300))
    score = float(np.where(holds, log_probs, others).sum())
    return LabelSet(text, labels, {names[i]: float(probabilities[i]) for i in order}, score, alignment)
