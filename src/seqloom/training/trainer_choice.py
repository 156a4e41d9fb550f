"""Which trainer a model has: by gradients, by passes or in one pass."""

from __future__ import annotations

from typing import Any

from seqloom.models.fitted import FittedByPasses, FittedInOnePass
from seqloom.tasks.capabilities import FitsWithoutGradients
from seqloom.tasks.task import Task
from seqloom.training.trainer import Trainer


def trainer_for(task: Task, model: str, settings: Any) -> Trainer:
    """The trainer of a task's model: by gradients, by passes or in one pass. Only the one that is needed is imported,
    since torch is large and slow to import."""
    fitted = task.fitted(model, settings) if isinstance(task, FitsWithoutGradients) else None
    if isinstance(fitted, FittedByPasses):
        from seqloom.training.passes import PassTrainer

        return PassTrainer(task, fitted, settings)
    if isinstance(fitted, FittedInOnePass):
        from seqloom.training.one_pass import OnePassTrainer

        return OnePassTrainer(task, fitted, settings)
    assert fitted is None, f"{type(fitted).__name__} is fitted in no known way"
    from seqloom.training.gradients import GradientTrainer

    return GradientTrainer(task, model, settings)
