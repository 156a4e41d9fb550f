"""`seqloom compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.options import Data, Figures, Json, Set, Test, Threads, Valid, to_json


def compare(
    task: Annotated[str, typer.Argument(metavar="TASK", help="see: seqloom list tasks", show_default=False)],
    data: Data,
    models: Annotated[str, typer.Option(help="names, separated by commas", show_default=False)],
    out: Annotated[Path, typer.Option(help="the comparison's folder; the same one goes on", show_default=False)],
    minutes: Annotated[float, typer.Option(help="training time of each model and seed")] = 0.0,
    epochs: Annotated[float, typer.Option(help="or: passes over the data")] = 0.0,
    updates: Annotated[int, typer.Option(help="or: steps of the optimizer")] = 0,
    seeds: Annotated[int, typer.Option(help="trainings of each model")] = 1,
    valid: Valid = None,
    test: Test = None,
    settings: Set = None,
    threads: Threads = 0,
    figures: Figures = None,
    json: Json = False,
) -> None:
    """Train several models on equal terms, one after the other, and print the scoreboard.

    A setting goes to every model, or to one: --set lstm:model.hidden_size=300. An interrupted comparison goes on when
    the same command is given again.
    """
    from seqloom.comparison.comparison import compare as compare_models
    from seqloom.config import parse_assignments

    comparison = compare_models(
        task,
        data,
        models=[name.strip() for name in models.split(",") if name.strip()],
        out=out,
        minutes=minutes,
        epochs=epochs,
        updates=updates,
        seeds=seeds,
        valid=valid,
        test=test,
        threads=threads,
        settings=parse_assignments(settings or []),
        figures=figures,
    )
    typer.echo(to_json(comparison.report) if json else str(comparison))
    print(f"report: {comparison.folder / 'report.html'}", file=sys.stderr)
