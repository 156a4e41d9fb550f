"""The verdict of tasks that have their own: scores that cannot be compared, and forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seqloom.comparison.examples import opened
from seqloom.comparison.forecasts import forecast_verdict
from seqloom.comparison.trainings import Training, first_folders
from seqloom.data.input_source import DataSource
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Forecasts, Incomparable


class TaskVerdict(NamedTuple):
    """The verdict as a text. `is_comparable`: whether the scores say which model is better."""

    text: str
    is_comparable: bool


def task_verdict(
    task_name: str, models: Mapping[str, str], trainings: Sequence[Training], data: DataSource, threads: int
) -> TaskVerdict | None:
    """None for tasks that have no verdict of their own. `models`: the model of each name. Forecasts of `data` are
    paired over series or origins; they are those of the first training of each name."""
    task = tasks[task_name]
    if isinstance(task, Incomparable) and (reason := task.apart(list(dict.fromkeys(models.values())))):
        return TaskVerdict(reason, is_comparable=False)
    if not isinstance(task, Forecasts):
        return None
    scores = {}
    for name, folder in first_folders(trainings).items():
        with opened(folder, threads) as run:
            scores[name] = run.backtest(data)
    return TaskVerdict(forecast_verdict(scores), is_comparable=True)
