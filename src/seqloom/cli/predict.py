"""`seqloom predict`: lines in, answers out, in the same order."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.cli.options import INPUTS_AT_ONCE, Device, Figures, Json, RunFolder, Threads, to_json

if TYPE_CHECKING:
    from seqloom.decoding.alignment import Alignment
    from seqloom.run import Run
    from seqloom.tasks.capabilities import Prediction

Shown = Callable[[int, Sequence["Prediction"]], Iterator[str]]
"""The lines for the answers to the input of a number, from 1 on."""


def predict(
    run: RunFolder,
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="a text file; - is standard input; forecast: series", show_default="-"),
    ] = None,
    n_best: Annotated[int | None, typer.Option(help="answers a line, as: line TAB score TAB answer")] = None,
    proba: Annotated[bool, typer.Option("--proba", help="classify, tag: with probabilities, as: label=0.93")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="tag: a word a line, each answered before the next; a blank line ends")
    ] = False,
    beam_size: Annotated[int | None, typer.Option(help="translate: hypotheses kept a line; 1 is greedy")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="translate: how far long answers are favoured")] = None,
    max_length: Annotated[int | None, typer.Option(help="translate: longest answer in tokens")] = None,
    prefix: Annotated[str | None, typer.Option(help="translate: how every answer begins")] = None,
    copy_unknown: Annotated[bool, typer.Option("--copy-unknown", help="translate: source words for <unk>")] = False,
    sample: Annotated[bool, typer.Option("--sample", help="translate: draw answers instead of searching")] = False,
    temperature: Annotated[float | None, typer.Option(help="--sample: below 1 is bolder, above wilder")] = None,
    top_k: Annotated[int | None, typer.Option(help="--sample: draw from the k most probable; 0 is all")] = None,
    top_p: Annotated[float | None, typer.Option(help="--sample: from the fewest that hold so much")] = None,
    seed: Annotated[int | None, typer.Option(help="--sample: equal seeds draw equal answers")] = None,
    horizon: Annotated[int, typer.Option(min=0, help="forecast: steps ahead; 0: as in training")] = 0,
    paths: Annotated[int, typer.Option(min=0, help="forecast: sample paths beside the quantiles")] = 0,
    anomalies: Annotated[
        bool, typer.Option("--anomalies", help="forecast: how likely each value was, given those before it")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="forecast: write the table to a .csv, .json or .parquet file")
    ] = None,
    alignments: Annotated[Path | None, typer.Option(help="write what was attended to: a .json or .html file")] = None,
    figures: Figures = None,
    json: Json = False,
    threads: Threads = 0,
    device: Device = "auto",
) -> None:
    """Answer each line: translate it, pronounce it, classify it, tag it. At a terminal, line by line as you type.

    What is not given is as the run was set up. A run of forecast prints a table of what follows each series of a file,
    without a file that of the training.
    """
    from seqloom.errors import RequestError
    from seqloom.run import load
    from seqloom.tasks.capabilities import Aligned, Forecasts, refuse_unknown

    if figures is not None and (alignments is None or alignments.suffix != ".html"):
        raise RequestError(
            "there is no page whose charts to write", where="--figures", hint="add --alignments FILE.html"
        )

    options = {
        "n_best": n_best,
        "proba": proba or None,
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "max_length": max_length,
        "prefix": prefix,
        "copy_unknown": copy_unknown or None,
        "sample": sample or None,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
        "attention": True if alignments is not None else None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    loaded = load(run, device=device, threads=threads)
    if isinstance(loaded.task, Forecasts) and not online:
        from seqloom.cli.forecast import print_forecast

        refuse_unknown(given, ("seed",), loaded.plan.task)
        print_forecast(loaded, file, horizon, paths, seed or 1, anomalies, out, json)
        return
    if horizon or paths or anomalies or out is not None:
        raise RequestError(
            "only forecasts have a horizon and tables", where=str(run), got=f"a run of {loaded.plan.task}"
        )
    file = file or "-"
    if online:
        _answer_online(loaded, file, [*given, *(["json"] if json else [])])
        return
    shown = _as_json if json else _as_text(proba, n_best is not None and n_best > 1)
    aligned = []
    for number, answers in enumerate(_answers(loaded, file, given), 1):
        for line in shown(number, answers):
            typer.echo(line)
        if alignments is not None and isinstance(answers[0], Aligned):
            aligned.append(answers[0].alignment)
    if alignments is not None:
        _write_alignments(alignments, aligned, figures)


def _answers(loaded: Run, file: str, options: dict[str, Any]) -> Iterator[Sequence[Prediction]]:
    """Yields the answers to each input; what was printed of them is on its way before more is read."""
    from seqloom.files import read_blocks

    inputs = loaded.inputs(file)
    for block in read_blocks(_prompted(inputs) if _at_terminal(file) else inputs, file, INPUTS_AT_ONCE):
        yield from loaded.answers(block, **options)
        sys.stdout.flush()


def _answer_online(loaded: Run, file: str, others: list[str]) -> None:
    """Prints the answer to each element before the next is read."""
    from seqloom.errors import RequestError
    from seqloom.files import read_lines

    if others:
        raise RequestError("--online answers as it is, in plain text", got=", ".join(others), expected="no such option")
    answer = loaded.online()
    for line in read_lines(file):
        element = line.strip()
        if not element:
            answer = loaded.online()
        typer.echo(answer(element) if element else "")
        sys.stdout.flush()


def _at_terminal(file: str) -> bool:
    from seqloom.files import STANDARD_INPUT

    return file == STANDARD_INPUT and sys.stdin.isatty()


def _prompted(inputs: Iterator[Any]) -> Iterator[Any]:
    print("a line at a time; Ctrl-D ends", file=sys.stderr)
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        try:
            yield next(inputs)
        except StopIteration:
            return


def _as_json(number: int, answers: Sequence[Prediction]) -> Iterator[str]:
    found = [answer.to_json() for answer in answers]
    yield to_json({"line": number, "answers": found})


def _as_text(proba: bool, several: bool) -> Shown:
    from seqloom.tasks.capabilities import Probable

    def shown(number: int, answers: Sequence[Prediction]) -> Iterator[str]:
        if proba and isinstance(answers[0], Probable):
            yield "\t".join(f"{one.text}={one.probability:.4f}" for one in answers if isinstance(one, Probable))
        elif several:
            yield from (f"{number}\t{answer.score:.4f}\t{answer.text}" for answer in answers)
        else:
            yield answers[0].text

    return shown


def _write_alignments(path: Path, aligned: Sequence[Alignment | None], figures: Path | None) -> None:
    from seqloom.errors import RequestError
    from seqloom.explain.alignments import alignments_page
    from seqloom.files import write_atomic

    found = [alignment for alignment in aligned if alignment is not None]
    if not found:
        raise RequestError("the model has no attention to show", where=str(path), expected="a model with +attention")
    if path.suffix == ".html":
        alignments_page(found, f"Attention of {len(found)} lines").write(path, figures)
    else:
        plain = [alignment.to_json() for alignment in found]
        write_atomic(path, json_format.dumps(plain, ensure_ascii=False, indent=1) + "\n")
