"""`seqloom export` and `seqloom import`: models from and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.options import RunFolder


def export(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the file to write", show_default=False)],
    to: Annotated[
        str, typer.Option(help="arpa (of an ngram; .gz is compressed) or word2vec (.bin is binary)")
    ] = "arpa",
) -> None:
    """Write a model in the format of another program."""
    from seqloom.export import exporters
    from seqloom.run import load

    exporters[to](load(run, device="cpu"), file)


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="an ARPA file; .gz and .xz as they are")],
    out: Annotated[Path | None, typer.Option(help="the run's folder; otherwise a new one under runs/")] = None,
) -> None:
    """Make a run of an n-gram model that another program estimated, from its ARPA file."""
    from seqloom.export.arpa import read_arpa

    typer.echo(f"run  {read_arpa(file, out).folder}")
