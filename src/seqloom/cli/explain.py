"""`seqloom explain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.options import Columns, Device, Figures, Json, Threads
from seqloom.json_line import to_json


def explain(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN [RUN ...] DATA", help="folders of runs of one task, then the data", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="the folder for explain.html and explain.json", show_default=False)],
    columns: Columns = None,
    example: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="the example whose inputs are weighed, counted from 1; by default the first that can be",
            show_default=False,
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="the text whose inputs are weighed, instead of an example")] = None,
    tries: Annotated[
        int, typer.Option("--try", min=0, help="train the first so many prescriptions, with repeats as the control")
    ] = 0,
    figures: Figures = None,
    json: Json = False,
    threads: Threads = 0,
    device: Device = "auto",
) -> None:
    """Explain why a model does, or does not, learn long dependencies.

    Prints a verdict and commands that should help; writes a page of charts and all numbers of them. Several runs are
    laid over each other in the same charts.
    """
    from seqloom.data.tables.columns import parse_columns
    from seqloom.errors import RequestError
    from seqloom.explain.explanation import explain as explain_runs
    from seqloom.run import load

    *folders, data = arguments
    if not folders:
        raise RequestError("explain needs a run and data", got=data, expected="seqloom explain RUN DATA --out DIR")
    runs = [load(folder, device=device, threads=threads) for folder in folders]
    explanation = explain_runs(
        runs, data, columns=parse_columns(columns or ""), example=example, text=text, tries=tries, folder=out
    )
    explanation.write(out, figures)
    typer.echo(to_json(explanation.to_json()) if json else str(explanation))
    print(f"page: {out / 'explain.html'}", file=sys.stderr)
