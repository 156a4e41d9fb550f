"""Tasks, one file each: the data, the networks, the loss, the metrics."""

from __future__ import annotations

from seqloom.registry import Registry
from seqloom.tasks.task import Task

tasks: Registry[Task] = Registry("task", __name__)
