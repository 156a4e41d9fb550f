"""A training that is watched: what the files of its run say, while another process trains or after it has ended."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from seqloom.config import read_toml
from seqloom.errors import RequestError
from seqloom.storage.folder import is_locked
from seqloom.training.reports import LIVE, METRICS, MetricsFile, read_live, read_summary

_EARLIER_EXAMPLES = 8
"""Earlier outputs of the same examples that are kept, so that one sees how they changed."""


class Watched:
    """The training in `folder`, under a `name`. Nothing in the folder is changed."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self._examples: deque[dict[str, Any]] = deque(maxlen=_EARLIER_EXAMPLES)
        self._weights = ""
        check_watchable(folder)

    def version(self) -> str:
        """Changes when what `state` gives does."""
        files = ("config.toml", METRICS, LIVE, "summary.json", "model.safetensors")
        return "-".join([str(int(is_locked(self.folder))), *(_changed(self.folder / name) for name in files)])

    def state(self) -> dict[str, Any]:
        """The rows of metrics so far, where the training is, and how it ended. Raises SeqloomError where a file is
        damaged."""
        locked, summary = is_locked(self.folder), read_summary(self.folder)
        rows, live = MetricsFile(self.folder).rows(), read_live(self.folder)
        path = self.folder / "config.toml"
        config = read_toml(path) if path.exists() else {}
        if locked and live is not None:
            status = "evaluating" if live.get("evaluates") else "training"
        elif summary.get("finished"):
            status = "finished"
        else:
            status = "preparing" if locked else "interrupted"
        best = live if live is not None and live.get("score") else summary
        ended = not locked and summary
        return {
            "name": self.name,
            "task": config.get("task", ""),
            "network": config.get("model", ""),
            "seed": config.get("seed"),
            "budget": config.get("budget", {}),
            "status": status,
            "rows": rows,
            "live": live,
            "score": best.get("score") or "",
            "best_updates": best.get("best_updates"),
            "ended": {name: summary[name] for name in ("seconds", "parameters", "valid", "test")} if ended else None,
            "weights": _changed(self.folder / "model.safetensors"),
        }

    def examples(self) -> list[dict[str, Any]]:
        """Outputs of the best weights so far for some examples, the newest first, each with the `updates` after which
        the weights were saved. They are computed when the weights have changed. Raises SeqloomError where the run
        cannot be opened."""
        weights = _changed(self.folder / "model.safetensors")
        if weights and weights != self._weights:
            from seqloom.serving.output_examples import output_examples

            state = self.state()
            examples = output_examples(self.folder)
            self._examples.appendleft({"updates": state["best_updates"], **examples})
            self._weights = weights
        return list(self._examples)


def check_watchable(folder: Path) -> None:
    """Raises RequestError where the folder holds no run, and nobody is about to make one there."""
    if not (folder / "config.toml").exists() and not is_locked(folder):
        raise RequestError(
            "the folder holds no run", where=str(folder),
            got="no such folder" if not folder.exists() else "no config.toml",
            expected="the folder of a training, as train --out names it",
        )  # fmt: skip


def _changed(path: Path) -> str:
    """When a file was last changed; empty where there is none."""
    try:
        return f"{path.stat().st_mtime_ns:x}"
    except OSError:
        return ""
