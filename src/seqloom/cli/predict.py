"""`seqloom predict`: lines in, answers out, in the same order."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from seqloom.cli.options import Device, Json, RunFolder, Seed, Threads

_LINES_AT_ONCE = 1_000


def predict(
    run: RunFolder,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="a text file; - is standard input")] = "-",
    beam_size: Annotated[int, typer.Option(help="hypotheses kept a line, 1 is greedy; 0: the run's own")] = 0,
    n_best: Annotated[int, typer.Option(help="answers a line, as: line TAB score TAB answer")] = 1,
    length_penalty: Annotated[float, typer.Option(help="how far long answers are favoured; -1: the run's own")] = -1,
    max_length: Annotated[int, typer.Option(help="longest answer in tokens; 0: the run's own")] = 0,
    prefix: Annotated[str, typer.Option(help="how every answer begins")] = "",
    copy_unknown: Annotated[bool, typer.Option("--copy-unknown", help="copy source words for <unk>")] = False,
    sample: Annotated[bool, typer.Option("--sample", help="draw answers at random instead of searching")] = False,
    temperature: Annotated[float, typer.Option(help="sampling: below 1 is bolder, above wilder")] = 1.0,
    top_k: Annotated[int, typer.Option(help="sampling: draw from the k most probable tokens; 0 is all")] = 0,
    top_p: Annotated[float, typer.Option(help="sampling: from the fewest tokens that hold this probability")] = 1.0,
    seed: Seed = 1,
    alignments: Annotated[Path | None, typer.Option(help="write what was attended to: a .json or .html file")] = None,
    json: Json = False,
    threads: Threads = 0,
    device: Device = "auto",
) -> None:
    """Answer each line: translate it, pronounce it, inflect it. At a terminal, line by line as you type."""
    from seqloom.decoding.sampling import Sampling
    from seqloom.run import load

    asked: dict[str, Any] = {"n_best": n_best, "seed": seed, "attention": alignments is not None}
    asked |= {"beam_size": beam_size} if beam_size else {}
    asked |= {"length_penalty": length_penalty} if length_penalty >= 0 else {}
    asked |= {"max_length": max_length} if max_length else {}
    asked |= {"prefix": prefix} if prefix else {}
    asked |= {"copy_unknown": True} if copy_unknown else {}
    asked |= {"sampling": Sampling(temperature, top_k, top_p)} if sample else {}
    loaded = load(run, device=device, threads=threads)
    number, kept = 0, []
    for block in _blocks(file):
        for answers in loaded.answers(block, **asked):
            number += 1
            _show(answers, number, n_best, json)
            kept += [answers[0]] if alignments is not None else []
        sys.stdout.flush()
    if alignments is not None:
        _write_alignments(alignments, kept)


def _blocks(file: str) -> Iterator[list[str]]:
    from seqloom.files import STANDARD_INPUT, read_blocks

    if file != STANDARD_INPUT or not sys.stdin.isatty():
        yield from ([line.strip() for line in block] for block in read_blocks(file, _LINES_AT_ONCE))
        return
    print("a line at a time; Ctrl-D ends", file=sys.stderr)
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield [line.strip()]


def _show(answers: Any, number: int, n_best: int, as_json: bool) -> None:
    if as_json:
        found = [answer.to_json() for answer in answers]
        typer.echo(json_format.dumps({"line": number, "answers": found}, ensure_ascii=False))
    elif n_best == 1:
        typer.echo(answers[0].text)
    else:
        for answer in answers:
            typer.echo(f"{number}\t{answer.score:.4f}\t{answer.text}")


def _write_alignments(path: Path, answers: list[Any]) -> None:
    from seqloom.errors import RequestError
    from seqloom.explain.alignments import alignments_html
    from seqloom.files import write_atomic

    found = [answer.alignment for answer in answers if answer.alignment is not None]
    if not found:
        raise RequestError("the model has no attention to show", where=str(path), expected="a model with +attention")
    if path.suffix == ".html":
        write_atomic(path, alignments_html(found, f"Attention of {len(found)} lines"))
    else:
        plain = [alignment.to_json() for alignment in found]
        write_atomic(path, json_format.dumps(plain, ensure_ascii=False, indent=1) + "\n")
