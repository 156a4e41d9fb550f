"""`seqloom export` and `seqloom import`: models for and from other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.options import RunFolder


def export(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="OUT", help="the file or folder to write", show_default=False)],
    to: Annotated[
        str,
        typer.Option(
            help="arpa (of an ngram; .gz is compressed), word2vec (.bin is binary), fasttext (binary), onnx (a folder "
            "that runs without torch), ctranslate2 (of a transformer), web (a page, OUT.html)"
        ),
    ] = "arpa",
    int8: Annotated[bool, typer.Option("--int8", help="weights as 8-bit integers: a quarter of the size")] = False,
    max_loss: Annotated[float, typer.Option(help="--int8: the largest share of the score that may be lost")] = 0.01,
    data: Annotated[
        str, typer.Option(help="lines to compare answers on; otherwise the run's validation, test or training data")
    ] = "",
    license_: Annotated[str, typer.Option("--license", help="the model's licence, for the model card")] = "",
    data_license: Annotated[str, typer.Option(help="the licence of the training data, for the model card")] = "",
    language: Annotated[str, typer.Option(help="the language of the text, for the model card: en, de ...")] = "",
) -> None:
    """Write a model in the format of another program. Refused if the exported model would give other answers."""
    from seqloom.export import exporters
    from seqloom.export.options import ExportOptions
    from seqloom.run import load

    options = ExportOptions(int8, max_loss, data, license_, data_license, language)
    exporters[to](load(run, device="cpu"), file, options)


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="an ARPA file (also .gz and .xz)")],
    out: Annotated[Path | None, typer.Option(help="the folder of the run; without it, a new one under runs/")] = None,
) -> None:
    """Make a run from an ARPA file, the n-gram model of another program."""
    from seqloom.export.arpa import read_arpa

    typer.echo(f"run  {read_arpa(file, out).folder}")
