"""Trainings of benchmarks that may be stopped: the finished ones stay in a folder, interrupted ones are resumed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import seqloom


def train(out: Path, task: str, data: Path, threads: int = 1, **options: Any) -> seqloom.Run:
    """The finished run in `out`, trained or resumed if it is not finished yet."""
    if (out / "summary.json").exists() and (run := seqloom.load(out, threads=threads)).summary["finished"]:
        return run
    run = seqloom.train(task, str(data), out=out, resume=out.exists(), threads=threads, quiet=True, **options)
    if not run.summary["finished"]:
        raise SystemExit("stopped; run the script again to continue")
    return run


def train_seeds(
    options: argparse.Namespace, name: str, task: str, data: Path, settings: dict[str, Any], **others: Any
) -> list[seqloom.Run]:
    """A finished run for each seed, after `options.updates` updates, in the folder `options.work`."""
    return [
        train(
            options.work / f"{name} {seed}", task, data, updates=options.updates, seed=seed, settings=settings, **others
        )
        for seed in range(1, options.seeds + 1)
    ]


def arguments(description: str | None, name: str, updates: int, seeds: int = 3) -> argparse.ArgumentParser:
    """The options of all these benchmarks, with their defaults; `name` is that of the benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    work = Path("runs") / name
    parser.add_argument("--work", type=Path, default=work, help="the folder of the data and the runs")
    parser.add_argument("--updates", type=int, default=updates, help="of each training that is compared")
    parser.add_argument("--seeds", type=int, default=seeds)
    return parser
