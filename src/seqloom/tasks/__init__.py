"""Tasks, one file each: what is read, which networks are built, what the loss is, how it is scored."""

from __future__ import annotations

from seqloom.registry import Registry
from seqloom.tasks.task import Task

tasks: Registry[Task] = Registry("task", __name__)
