"""`seqloom compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqloom.cli.options import Columns, Figures, Json, Set, SplitSeed, Test, Threads, Valid
from seqloom.errors import RequestError
from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.comparison.report_content import Comparison


_OPTIONS_OF_RUNS = {"arguments", "out", "columns", "threads", "figures", "json"}
"""Those that a comparison of finished runs takes."""


def compare(
    context: typer.Context,
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK DATA | RUN... DATA",
            help="a task (see: seqloom list tasks) or the folders of finished runs, and the data",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="the folder of the comparison; an interrupted one in it is continued", show_default=False),
    ],
    models: Annotated[
        str,
        typer.Option(
            help="names of models, separated by commas; with settings: lstm:num_layers=2:dropout=0.2",
            show_default=False,
        ),
    ] = "",
    minutes: Annotated[float, typer.Option(help="training time of each model and seed", show_default=False)] = 0.0,
    epochs: Annotated[
        float, typer.Option(help="budget instead of minutes: passes over the data", show_default=False)
    ] = 0.0,
    updates: Annotated[
        int, typer.Option(help="budget instead of minutes: steps of the optimizer", show_default=False)
    ] = 0,
    seeds: Annotated[int, typer.Option(help="the number of seeds that each model is trained with")] = 3,
    equal: Annotated[
        str,
        typer.Option(
            help="minutes: each model has its own size; parameters: all networks are as large as the first; both"
        ),
    ] = "minutes",
    columns: Columns = None,
    split_seed: SplitSeed = 0,
    folds: Annotated[
        int,
        typer.Option(min=0, help="for small data: divide DATA into so many parts, each of which is the test part once"),
    ] = 0,
    tune: Annotated[
        int,
        typer.Option(
            min=0, help="trials in which settings of each model are searched first, each as long as a training (Optuna)"
        ),
    ] = 0,
    valid: Valid = None,
    test: Test = None,
    settings: Set = None,
    threads: Threads = 0,
    jobs: Annotated[int, typer.Option(min=1, help="trainings at the same time; the processors are divided")] = 1,
    cluster: Annotated[
        str, typer.Option(help="the address of a Dask scheduler, such as tcp://host:8786: its workers train")
    ] = "",
    figures: Figures = None,
    json: Json = False,
) -> None:
    """Train several models on equal terms and compare them.

    The models train one after the other on the same data, split and budget; then the scoreboard is printed.
    The task's baselines are always included. A setting is for every model, or for one: --models
    lstm,lstm:num_layers=2 or --set lstm:model.hidden_size=300. The same command continues an interrupted comparison.
    Finished runs are scored on the same data with the same tests, without training: compare RUN RUN RUN DATA.
    """
    from seqloom.comparison.comparison import compare as compare_models
    from seqloom.comparison.finished_runs import compare_runs
    from seqloom.comparison.model_specs import split_names
    from seqloom.config import parse_assignments
    from seqloom.data.tables.columns import parse_columns
    from seqloom.run.plan import column_settings

    *first, data = arguments
    if len(first) != 1 or (Path(first[0]) / "config.toml").exists():
        _check_runs(first, context)
        scored = compare_runs(
            first, data, out=out, columns=parse_columns(columns or ""), threads=threads, figures=figures
        )
        _print(scored, json)
        return
    (task,) = first

    comparison = compare_models(
        task,
        data,
        models=split_names(models),
        out=out,
        minutes=minutes,
        epochs=epochs,
        updates=updates,
        seeds=seeds,
        equal=equal,
        split_seed=split_seed,
        folds=folds,
        tune=tune,
        valid=valid,
        test=test,
        threads=threads,
        jobs=jobs,
        cluster=cluster,
        settings=parse_assignments(settings or []) | column_settings(task, parse_columns(columns or "")),
        figures=figures,
    )
    _print(comparison, json)


def _check_runs(folders: list[str], context: typer.Context) -> None:
    """Refuses arguments that are neither a task and data nor runs and data."""
    if not folders:
        raise RequestError("a comparison needs two arguments or more", expected="TASK DATA, or RUN RUN ... DATA")
    for folder in folders:
        if not (Path(folder) / "config.toml").exists():
            raise RequestError(
                "this is not the folder of a run", where=folder, expected="TASK DATA, or RUN RUN ... DATA"
            )
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in _OPTIONS_OF_RUNS and source is not None and source.name == "COMMANDLINE":
            raise RequestError("finished runs are compared as they are", where=option.opts[0], hint="leave it out")


def _print(comparison: Comparison, json: bool) -> None:
    typer.echo(to_json(comparison.report) if json else str(comparison))
    print(f"report: {comparison.folder / 'report.html'}", file=sys.stderr)
