"""`seqloom predict`: an answer for each line of input, in the same order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.cli.options import (
    INPUTS_AT_ONCE,
    Columns,
    Device,
    Ensemble,
    Figures,
    Json,
    RunFolder,
    Threads,
    load_together,
)
from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.run import Run
    from seqloom.tasks.capabilities import Prediction

Shown = Callable[[int, Sequence["Prediction"]], Iterator[str]]
"""Formats the answers to the input with this number, counted from 1, as lines."""


def predict(
    run: RunFolder,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="a text file; - is standard input; forecast: series; transcribe: a sound, a manifest, a folder",
            show_default="-",
        ),
    ] = None,
    columns: Columns = None,
    n_best: Annotated[
        int | None, typer.Option(help="how many answers for each line, printed as: line TAB score TAB answer")
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="classify, tag: print probabilities, as: label=0.93")] = False,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="tag: read one word, or the numbers of one step, per line and tag each at once; an empty line ends "
            "the sequence; transcribe: read 16-bit samples or a WAV stream",
        ),
    ] = False,
    rate: Annotated[int, typer.Option(min=0, help="transcribe --online: samples per second; 0: as in training")] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="transcribe: an empty line for a recording that cannot be read")
    ] = False,
    beam_size: Annotated[
        int | None, typer.Option(help="translate, transcribe: hypotheses of the beam search; 1 is greedy search")
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(help="translate: scores are log-probability / length to this power; higher favours long answers"),
    ] = None,
    max_length: Annotated[int | None, typer.Option(help="translate: the most tokens of an answer")] = None,
    prefix: Annotated[str | None, typer.Option(help="translate: the text that every answer begins with")] = None,
    copy_unknown: Annotated[
        bool, typer.Option("--copy-unknown", help="translate: replace <unk> by the source word with the most attention")
    ] = False,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TERM", help="translate: a term that every answer contains; can be repeated, or a column of terms"
        ),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TERM",
            help="translate: a term whose tokens no answer contains; can be repeated, or a column of terms",
        ),
    ] = None,
    diverse_groups: Annotated[
        int | None,
        typer.Option(help="translate: groups of the beam that avoid each other's tokens, so that --n-best differ"),
    ] = None,
    diversity: Annotated[
        float | None, typer.Option(help="--diverse-groups: how much they avoid them, in nats; 0.5 unless set")
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="translate: above 1, tokens that occurred before become less probable")
    ] = None,
    no_repeat_ngrams: Annotated[
        int | None, typer.Option(help="translate: no n-gram of so many tokens occurs twice in an answer")
    ] = None,
    min_ratio: Annotated[
        float | None, typer.Option(help="translate: the fewest tokens of an answer per token of the source")
    ] = None,
    max_ratio: Annotated[
        float | None, typer.Option(help="translate: the most tokens of an answer per token of the source, plus 20")
    ] = None,
    ensemble: Ensemble = None,
    mbr: Annotated[
        int | None, typer.Option(help="--sample: of so many samples, answer the one most like the others")
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="translate: sample answers instead of searching for the best")
    ] = False,
    temperature: Annotated[
        float | None, typer.Option(help="--sample: below 1 prefers probable tokens, above 1 is more random")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="--sample: sample from the k most probable tokens; 0: all")] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="--sample: sample from the most probable tokens that together have this probability"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="--sample: equal seeds give equal answers")] = None,
    horizon: Annotated[int, typer.Option(min=0, help="forecast: steps ahead; 0: as in training")] = 0,
    paths: Annotated[int, typer.Option(min=0, help="forecast: sample paths beside the quantiles")] = 0,
    anomalies: Annotated[
        bool,
        typer.Option("--anomalies", help="forecast: print how probable each value was, given the values before it"),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="forecast: write the table to a .csv, .json or .parquet file")
    ] = None,
    alignments: Annotated[
        Path | None, typer.Option(help="write the attention of each answer to a .json or .html file")
    ] = None,
    figures: Figures = None,
    json: Json = False,
    threads: Threads = 0,
    device: Device = "auto",
) -> None:
    """Predict an answer for each line of input.

    The answer is a translation, a class, the tags of the words, or whatever the run was trained for. At a
    terminal, each line is answered as you type. Without an option, its value is that of the run. A run of
    forecast prints a table of forecasts of the series in a file, or without a file of the training data.
    """
    from seqloom.cli.alignments import check_figures, write_alignments
    from seqloom.data.tables.columns import parse_columns
    from seqloom.errors import RequestError
    from seqloom.tasks.capabilities import Aligned, refuse_unknown
    from seqloom.tasks.forecast_capability import Forecasts
    from seqloom.tasks.transcribe_capability import Listens

    check_figures(alignments, figures)
    options = {
        "n_best": n_best,
        "proba": proba or None,
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "max_length": max_length,
        "prefix": prefix,
        "copy_unknown": copy_unknown or None,
        "require": require or None,
        "forbid": forbid or None,
        "mbr": mbr,
        "diverse_groups": diverse_groups,
        "diversity": diversity,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngrams": no_repeat_ngrams,
        "min_ratio": min_ratio,
        "max_ratio": max_ratio,
        "sample": sample or None,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
        "skip_bad": skip_bad or None,
        "attention": True if alignments is not None else None,
    }
    changes: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    loaded = load_together(run, ensemble, device, threads)
    if rate and not (online and isinstance(loaded.task, Listens)):
        raise RequestError("only streams of sound have a rate", where="--rate", expected="transcribe, with --online")
    if isinstance(loaded.task, Forecasts) and not online:
        from seqloom.cli.forecast import print_forecast

        refuse_unknown(changes, ("seed",), loaded.plan.task)
        if seed is not None and not paths:
            raise RequestError("only sample paths have a seed", where="--seed", expected="--paths too")
        if anomalies and (horizon or paths):
            raise RequestError(
                "anomalies are of known values", where="--anomalies", expected="no --horizon, no --paths"
            )
        loaded.plan.reading(parse_columns(columns or ""))  # refuses columns: the model depends on those of the training
        print_forecast(loaded, file, horizon, paths, 1 if seed is None else seed, anomalies, out, json)
        return
    if horizon or paths or anomalies or out is not None:
        raise RequestError(
            "only runs of forecast have a horizon and tables", where=str(run), got=f"a run of {loaded.plan.task}"
        )
    file = file or "-"
    if online:
        others = [*changes, *(["columns"] if columns else [])]
        if isinstance(loaded.task, Listens):
            from seqloom.cli.transcribe import print_online

            refuse_unknown(others, (), f"{loaded.plan.task} --online")
            print_online(loaded, file, rate, json)
        else:
            _answer_online(loaded, file, [*others, *(["json"] if json else [])])
        return
    shown = _as_json if json else _as_text(proba, n_best is not None and n_best > 1)
    aligned = []
    for number, answers in enumerate(_answers(loaded, file, parse_columns(columns or ""), changes), 1):
        for line in shown(number, answers):
            typer.echo(line)
        if alignments is not None and isinstance(answers[0], Aligned):
            aligned.append(answers[0].alignment)
    if alignments is not None:
        write_alignments(alignments, aligned, figures)


def _answers(
    loaded: Run, file: str, columns: dict[str, str], options: dict[str, Any]
) -> Iterator[Sequence[Prediction]]:
    """Yields the answers to each input. What was printed is flushed before more is read."""
    from seqloom.files import read_blocks

    inputs = loaded.inputs(file, columns)
    for block in read_blocks(_prompted(inputs) if _at_terminal(file) else inputs, file, INPUTS_AT_ONCE):
        yield from loaded.answers(block, **options)
        sys.stdout.flush()


def _answer_online(loaded: Run, file: str, others: list[str]) -> None:
    """Prints the answer to each element before the next is read."""
    from seqloom.errors import RequestError
    from seqloom.files import read_lines

    if others:
        raise RequestError(
            "--online prints plain text and has no other options", got=", ".join(others), expected="only --online"
        )
    answer = loaded.online()
    for line in read_lines(file):
        typer.echo(answer(line.strip()))
        sys.stdout.flush()


def _at_terminal(file: str) -> bool:
    from seqloom.files import STANDARD_INPUT

    return file == STANDARD_INPUT and sys.stdin.isatty()


def _prompted(inputs: Iterator[Any]) -> Iterator[Any]:
    print("type a line; Ctrl-D ends", file=sys.stderr)
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        try:
            yield next(inputs)
        except StopIteration:
            return


def _as_json(number: int, answers: Sequence[Prediction]) -> Iterator[str]:
    yield to_json({"line": number, "answers": [answer.to_json() for answer in answers]})


def _as_text(proba: bool, several: bool) -> Shown:
    from seqloom.tasks.capabilities import Probable

    def shown(number: int, answers: Sequence[Prediction]) -> Iterator[str]:
        if proba and isinstance(answers[0], Probable):
            yield "\t".join(
                f"{answer.text}={answer.probability:.4f}" for answer in answers if isinstance(answer, Probable)
            )
        elif several:
            yield from (f"{number}\t{answer.score:.4f}\t{answer.text}" for answer in answers)
        else:
            yield answers[0].text

    return shown
