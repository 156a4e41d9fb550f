"""Logs in the formats of TensorBoard and Weights & Biases, written from the rows of metrics, with `train --log`."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from seqloom.errors import RequestError, unknown_name
from seqloom.training.budget import Progress
from seqloom.training.reports import MetricsFile


class EventLog(ABC):
    """A display that writes each row of metrics of the run in `folder`.

    The log is made from `metrics.jsonl` at the first validation of a session: what a resumed training logs is one log
    without duplicates, since rows after its checkpoint are no longer in that file. `config` is that of the run."""

    package: ClassVar[str]
    extra: ClassVar[str]
    """With which `pip install` installs the package."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.folder, self.config = folder, config
        self._is_open, self._began = False, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._is_open:
            self.close()

    def step(self, fraction: float, progress: Progress) -> None:  # noqa: B027
        """Steps are not logged."""

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None:  # noqa: ARG002
        rows = [row]
        if not self._is_open:
            self.open()
            self._is_open, self._began = True, time.time() - row["seconds"]
            rows = MetricsFile(self.folder).rows()
        for each in rows:
            self.write(_scalars(each), each["updates"], self._began + each["seconds"])

    @abstractmethod
    def open(self) -> None:
        """Begins the log anew."""

    @abstractmethod
    def write(self, scalars: Mapping[str, float], updates: int, at: float) -> None:
        """`at`: seconds since 1970."""

    @abstractmethod
    def close(self) -> None: ...


class TensorBoardLog(EventLog):
    """Event files in the run's folder: `tensorboard --logdir runs` shows each run under the name of its folder."""

    package, extra = "tensorboardX", "seqloom[track]"

    def open(self) -> None:
        from tensorboardX import SummaryWriter

        for old in self.folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = SummaryWriter(str(self.folder))

    def write(self, scalars: Mapping[str, float], updates: int, at: float) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, updates, walltime=at)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandbLog(EventLog):
    """A run of Weights & Biases under `wandb/` in the run's folder. It is offline unless WANDB_MODE says otherwise;
    `wandb sync` sends it."""

    package, extra = "wandb", "seqloom[wandb]"

    def open(self) -> None:
        import wandb

        parent, mode = self.folder / "wandb", os.environ.get("WANDB_MODE", "offline")
        identity = self._identity(parent)
        if mode == "offline":
            shutil.rmtree(parent, ignore_errors=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "seqloom"), name=self.folder.resolve().name, id=identity,
            dir=str(self.folder), mode=mode, config=dict(self.config), resume="allow",
            settings=wandb.Settings(silent=True, console="off"),
        )  # fmt: skip
        self._first = int(self._run.step or 0)

    def write(self, scalars: Mapping[str, float], updates: int, at: float) -> None:
        if updates >= self._first:  # what a resumed online run holds already
            self._run.log({**scalars, "_timestamp": at}, step=updates)

    def close(self) -> None:
        self._run.finish()

    @staticmethod
    def _identity(parent: Path) -> str:
        """That of an earlier session, so that a resumed training stays one run."""
        earlier = sorted(parent.glob("*run-*-*"))
        return earlier[-1].name.rpartition("-")[2] if earlier else secrets.token_hex(4)


EVENT_LOGS: dict[str, type[EventLog]] = {"tensorboard": TensorBoardLog, "wandb": WandbLog}


def check_event_logs(names: Sequence[str]) -> None:
    """Raises RequestError for a name that is unknown, or whose package is not installed."""
    for name in names:
        if name not in EVENT_LOGS:
            raise unknown_name("log", name, EVENT_LOGS, where="--log")
        log = EVENT_LOGS[name]
        if importlib.util.find_spec(log.package) is None:
            raise RequestError(
                "this log needs another package", where=f"--log {name}", got=f"no {log.package}",
                hint=f"pip install '{log.extra}'",
            )  # fmt: skip


def _scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row, in groups: `train/loss`, `valid/perplexity`."""
    named = {name: row[name] for name in ("epoch", "targets_per_second") if name in row}
    scalars = {f"train/{name}": value for name, value in named.items()}
    if "train_loss" in row:
        scalars["train/loss"] = row["train_loss"]
    valid = {name.removeprefix("valid_"): value for name, value in row.items() if name.startswith("valid_")}
    scalars |= {f"valid/{name}": value for name, value in valid.items()}
    return {name: float(value) for name, value in scalars.items() if isinstance(value, int | float)}
