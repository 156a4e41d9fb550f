"""A number for each example (regression): root mean squared error, mean absolute error, Spearman's correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqloom.data.labelled import LabelledData
from seqloom.data.targets import Numbers
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.decision import Decided, Number
from seqloom.errors import RequestError
from seqloom.metrics.classification import Diagnosis
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.regression import regression_scores
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.classify_answers import Answers, decided_examples, num_cut, outputs_of, refuse
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score


class NumberAnswers(Answers):
    score = Score("rmse", lower_is_better=True)

    def metrics(self, total: Loss, data: LabelledData) -> dict[str, float]:
        scale = cast(Numbers, data.codec.targets).scale
        return {"rmse": scale * math.sqrt(float(total.sum) / max(int(total.count), 1)), "examples": len(data)}

    def output_metrics(self, trained: Trained, data: LabelledData, brief: bool) -> dict[str, Any]:  # noqa: ARG002
        return {**regression_scores(*_numbers(trained, data)), "cut": num_cut(trained, data)}

    def example_scores(self, trained: Trained, data: LabelledData) -> ExampleScores:
        expected, predicted = _numbers(trained, data)
        return ExampleScores("rmse", "example", np.column_stack([(predicted - expected) ** 2, np.ones(len(expected))]))

    def texts(self, trained: Trained, data: LabelledData, numbers: Sequence[int]) -> list[str]:
        return [_text(decided) for decided in decided_examples(trained, data, np.array(numbers))]

    def check_options(self, n_best: int | None, proba: bool) -> None:
        refuse({"n_best": n_best, "proba": proba}, "a predicted number")

    def predictions(
        self,
        trained: Trained,  # noqa: ARG002
        decided: Decided,
        source: Sequence[str] | None,
        n_best: int | None,  # noqa: ARG002
        proba: bool,  # noqa: ARG002
    ) -> Sequence[Number]:
        alignment = None
        if source is not None and decided.attention is not None:
            alignment = Alignment(source, [_text(decided)], decided.attention[None])
        return [Number(_text(decided), float(decided.outputs[0]), alignment=alignment)]

    def diagnose(self, trained: Trained, data: LabelledData) -> Diagnosis:  # noqa: ARG002
        raise RequestError("numbers have no confusion matrix", where="--report", expected="a run that predicts labels")

    def calibrate(self, trained: Trained, valid: LabelledData) -> None: ...


def _numbers(trained: Trained, data: LabelledData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The expected and the predicted numbers."""
    return np.asarray(data.targets.numbers, np.float64), outputs_of(trained, data)[:, 0].astype(np.float64)


def _text(decided: Decided) -> str:
    return f"{float(decided.outputs[0]):.6g}"
