"""`seqloom embed`: a vector for each line, and the correlation of such vectors with human ratings of similarity."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.cli.options import INPUTS_AT_ONCE, Columns, Device, File, Json, RunFolder, Threads, print_metrics

if TYPE_CHECKING:
    from seqloom.run import Run

_KINDS = (".npy", ".tsv")


def embed(
    run: RunFolder,
    file: File = "-",
    columns: Columns = None,
    pooling: Annotated[
        str, typer.Option(help="how a line becomes one vector: auto, word-mean, word-sum, last, mean or max")
    ] = "auto",
    out: Annotated[Path | None, typer.Option(help="write a .npy matrix or a .tsv file instead of printing")] = None,
    similarity: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="compare with human ratings of similarity, from a file of: text TAB text TAB score"
        ),
    ] = None,
    json: Json = False,
    threads: Threads = 0,
    device: Device = "auto",
) -> None:
    """Print a vector for each line.

    Numbers are separated by tabs. The vector of a line without known tokens is zero.
    --pooling word-mean and word-sum pool the embeddings of the tokens; mean and max pool the outputs of the layer;
    last is the last state of the layer. With --similarity, print Spearman's correlation of cosines and ratings with
    its 95 % interval, Pearson's correlation, the pairs compared and the pairs skipped as unknown.
    """
    from seqloom.data.tables.columns import parse_columns
    from seqloom.run import load

    _check(file, columns, out, similarity, json)
    loaded = load(run, device=device, threads=threads)
    if similarity is not None:
        print_metrics(loaded.similarity(similarity, pooling)._asdict(), json)
        return
    vectors = _vectors(loaded, file, parse_columns(columns or ""), pooling)
    if out is not None:
        _write(out, vectors)
        return
    for vector in vectors:
        typer.echo(_line(vector))


def _check(file: str, columns: str | None, out: Path | None, similarity: str | None, json: bool) -> None:
    """Refuses options that contradict each other, before any work is done."""
    from seqloom.errors import RequestError
    from seqloom.files import STANDARD_INPUT

    if out is not None and out.suffix not in _KINDS:
        raise RequestError(
            "vectors are written as a matrix or as text", where=str(out), got=out.suffix or "no suffix",
            expected=" or ".join(_KINDS),
        )  # fmt: skip
    if similarity is not None and (out is not None or file != STANDARD_INPUT):
        raise RequestError("--similarity reads its own file and writes none", got=str(out or file))
    if similarity is not None and columns:
        raise RequestError("--similarity reads lines of: text TAB text TAB score", where="--columns", got=columns)
    if json and similarity is None:
        raise RequestError(
            "vectors are printed as plain numbers", where="--json", hint="--json works with --similarity"
        )


def _vectors(loaded: Run, file: str, columns: dict[str, str], pooling: str) -> Iterator[Any]:
    from seqloom.files import read_blocks

    for block in read_blocks(loaded.inputs(file, columns), file, INPUTS_AT_ONCE):
        yield from loaded.embed(block, pooling)
        sys.stdout.flush()


def _line(vector: Any) -> str:
    return "\t".join(f"{number:.6g}" for number in vector.tolist())


def _write(path: Path, vectors: Iterator[Any]) -> None:
    """Writes the vectors block by block, so that only one block is in memory."""
    from seqloom.errors import SeqloomError
    from seqloom.files import writing_atomic
    from seqloom.storage.matrix_file import write_matrix

    first = next(vectors, None)
    if first is None:
        raise SeqloomError("there is nothing to embed", where=str(path), expected="at least one line")
    vectors = itertools.chain([first], vectors)
    with writing_atomic(path) as stream:
        if path.suffix == ".tsv":
            stream.writelines(f"{_line(vector)}\n".encode() for vector in vectors)
        else:
            write_matrix(stream, vectors)
