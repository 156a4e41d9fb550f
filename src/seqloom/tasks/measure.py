"""Computes all metrics of a trained model, whatever kind of model it is."""

from __future__ import annotations

from typing import Any

from seqloom.models.fitted import WithoutGradients
from seqloom.tasks.capabilities import ScoresWithoutBatches, Trained


def measure(task: Any, trained: Trained, data: Any, device: str, brief: bool = False) -> dict[str, Any]:
    """All metrics of a trained model on `data`, including the score. `brief`: those of part of its output, as during
    training. A model without gradients is scored by the task itself, if the task can."""
    if isinstance(trained.model, WithoutGradients) and isinstance(task, ScoresWithoutBatches):
        return task.measure(trained, data)
    # Torch is large and slow to import.
    from seqloom.tasks.network_task import NetworkTask, evaluate

    assert isinstance(task, NetworkTask)
    return evaluate(task, trained, data, device, brief)
