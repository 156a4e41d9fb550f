"""Options and arguments that several commands share, and the printing of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.run import Run

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="the folder of a run (made by train or import)", show_default=False)
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="the data: a file (also .gz and .xz), a folder, a glob pattern, or - for standard input",
        show_default=False,
    ),
]
File = Annotated[
    str, typer.Argument(metavar="[FILE]", help="the input: a file (also .gz and .xz), or - for standard input")
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="ROLE=COLUMN,...",
        help="the columns of DATA by number or name: source=3,target=German; label=1,text=4; otherwise recognised",
    ),
]
Valid = Annotated[str | None, typer.Option(help="validation data; without it, 5 % of DATA, chosen by content")]
Test = Annotated[
    str | None, typer.Option(help="test data; without it and without --valid, 5 % of DATA, chosen by content")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="change a setting (see: seqloom list settings TASK MODEL); can be repeated"
    ),
]
Seed = Annotated[int, typer.Option(help="the seed of all random numbers; equal seeds give equal results")]
SplitSeed = Annotated[int, typer.Option(min=0, help="draws other examples of DATA to validate and test on")]
Folds = Annotated[
    int, typer.Option(min=0, help="divide DATA into so many equal parts; --fold says which is the test part")
]
Fold = Annotated[int, typer.Option(min=0, help="the number of the fold to test on, from 1")]
Threads = Annotated[int, typer.Option(help="processor threads; 0: as many as this process may use")]
Device = Annotated[str, typer.Option(help="where to compute: auto, cpu or cuda")]
Ensemble = Annotated[
    list[Path] | None,
    typer.Option(
        "--ensemble",
        metavar="RUN",
        help="translate, describe, classify, tag: another run that answers together with RUN, such as one with another "
        "seed; can be repeated",
    ),
]
Figures = Annotated[Path | None, typer.Option(help="a folder: write the page's charts there as well, as SVG files")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]
Cache = Annotated[
    int, typer.Option(min=0, help="language-model: mix in a neural cache of the previous tokens, so many; 0: none")
]
Dynamic = Annotated[
    float,
    typer.Option(
        metavar="RATE",
        min=0,
        help="language-model: dynamic evaluation, training on each part of the text after it is predicted, with this "
        "learning rate; 0: none",
    ),
]

INPUTS_AT_ONCE = 1_000
"""The inputs that are read before they are answered, scored or embedded together."""


def load_together(folder: Path, ensemble: Sequence[Path] | None, device: str, threads: int) -> Run:
    """The run in a folder, or with `--ensemble` the ensemble of all runs."""
    from seqloom.run import load

    run, *others = (load(each, device=device, threads=threads) for each in (folder, *(ensemble or ())))
    return run.ensemble(others) if others else run


def adapted(run: Run, cache: int, dynamic: float) -> Run:
    """The run with a model that adapts to the text, if one of `--cache` and `--dynamic` is given."""
    return run.adapted(cache=cache, learning_rate=dynamic) if cache or dynamic else run


def print_metrics(metrics: Mapping[str, Any], as_json: bool) -> None:
    """Prints one JSON object, or a line for each metric."""
    if as_json:
        typer.echo(to_json(metrics))
        return
    width = max(map(len, metrics))
    for name, value in metrics.items():
        shown = f"{value:,.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
        typer.echo(f"{name:<{width}}  {shown}")
