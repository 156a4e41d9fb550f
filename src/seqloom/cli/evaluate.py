"""`seqloom evaluate`, `score` and `generate`: metrics, log-probabilities and text of a trained run."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.cli.options import (
    INPUTS_AT_ONCE,
    Cache,
    Columns,
    Data,
    Device,
    Dynamic,
    Ensemble,
    Figures,
    File,
    Json,
    RunFolder,
    Seed,
    Threads,
    adapted,
    load_together,
    print_metrics,
)
from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.decoding.alignment import Alignment
    from seqloom.run import Run


def evaluate(
    run: RunFolder,
    data: Data,
    columns: Columns = None,
    by_length: Annotated[
        bool, typer.Option("--by-length", help="translate: print the scores by the length of the source")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="write an .html file; classify, tag: the confusion matrix and the worst mistakes; transcribe: the "
            "worst recordings"
        ),
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="ntm: write the attention of the memory heads to an .html file")
    ] = None,
    figures: Figures = None,
    origins: Annotated[
        int, typer.Option(min=0, help="forecast: the number of origins of each series, the last ones")
    ] = 0,
    step: Annotated[int, typer.Option(min=0, help="forecast: steps from one origin to the next")] = 0,
    horizon: Annotated[int, typer.Option(min=0, help="forecast: steps ahead; 0: as in training")] = 0,
    refit: Annotated[
        bool, typer.Option("--refit/--no-refit", help="forecast: fit a model of one series again at each origin")
    ] = True,
    by: Annotated[
        str | None, typer.Option(help="a table; forecast: by horizon or series; transcribe: by length or speaker")
    ] = None,
    ensemble: Ensemble = None,
    cache: Cache = 0,
    dynamic: Dynamic = 0.0,
    json: Json = False,
    threads: Threads = 0,
    device: Device = "auto",
) -> None:
    """Evaluate a run on other data.

    The metrics are those of the task: perplexity and bits per byte of a text; BLEU, chrF and exact match of pairs;
    accuracy and F1 of labels and tags; bits per sequence of an algorithm, such as copy:length=40.
    """
    from seqloom.data.tables.columns import parse_columns
    from seqloom.errors import RequestError
    from seqloom.metrics.by_length import table
    from seqloom.tasks.forecast_capability import Forecasts
    from seqloom.tasks.transcribe_capability import ScoresByGroup, StudiesTranscripts

    if figures is not None and report is None and heads is None:
        raise RequestError("there is no page with charts to write", where="--figures", hint="add --report or --heads")
    loaded = adapted(load_together(run, ensemble, device, threads), cache, dynamic)
    has_groups = isinstance(loaded.task, ScoresByGroup)
    if not isinstance(loaded.task, Forecasts) and (origins or step or horizon or not refit or (by and not has_groups)):
        raise RequestError(
            "only runs of forecast have origins and a horizon", where=str(run), got=f"a run of {loaded.plan.task}"
        )
    if by_length and by is not None:
        raise RequestError("one table at a time", where="--by-length, --by", got=f"--by-length and --by {by}")
    prepared = loaded.read(data, parse_columns(columns or ""))
    if isinstance(loaded.task, Forecasts) and heads is None and not by_length:
        from seqloom.cli.forecast import print_scores, write_page

        rolling: Any = {"origins": origins, "step": step, "horizon": horizon, "refit": refit}
        if report is not None:
            write_page(loaded, prepared, report, figures, Path(data).name, rolling)
        scores = loaded.backtest(prepared, **rolling)
        print_scores(scores, by, json)
        return
    if report is not None and isinstance(loaded.task, StudiesTranscripts):
        from seqloom.cli.transcribe import write_report

        write_report(loaded, prepared, report, figures, Path(data).name)
    elif report is not None:
        _write_report(loaded, prepared, report, figures, Path(data).name)
    if heads is not None:
        _write_heads(loaded, prepared, heads, figures, Path(data).name)
    if has_groups and (by or by_length):
        from seqloom.cli.transcribe import print_groups

        print_groups(loaded.evaluate_by_group(prepared), by or "length", json)
        return
    if by_length:
        rows = loaded.evaluate_by_length(prepared)
        typer.echo(to_json([row._asdict() for row in rows]) if json else table(rows))
        return
    print_metrics(loaded.evaluate(prepared), json)


def _write_report(loaded: Run, data: Any, path: Path, figures: Path | None, name: str) -> None:
    from seqloom.explain.diagnosis import diagnosis_page

    title = f"Mistakes of {loaded.plan.model}"
    about = f"{loaded.plan.task} · {name} · run {loaded.folder.resolve().name}"
    diagnosis_page(loaded.diagnose(data), title, about).write(path, figures)
    print(f"report: {path}", file=sys.stderr)


def _write_heads(loaded: Run, data: Any, path: Path, figures: Path | None, name: str) -> None:
    from seqloom.explain.heads import heads_page, watch

    about = f"{loaded.plan.task} · {name} · run {loaded.folder.resolve().name}"
    traces = watch(loaded.task, loaded.trained, data)
    heads_page(traces, "Attention of the memory heads", about).write(path, figures)
    print(f"heads: {path}", file=sys.stderr)


def score(
    run: RunFolder,
    file: File = "-",
    columns: Columns = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="print lines of: token TAB log-probability; an empty line after each line")
    ] = False,
    alignments: Annotated[
        Path | None, typer.Option(help="translate: write the attention of each target to a .json or .html file")
    ] = None,
    figures: Figures = None,
    ensemble: Ensemble = None,
    cache: Cache = 0,
    dynamic: Dynamic = 0.0,
    json: Json = False,
    threads: Threads = 0,
) -> None:
    """Print the log-probability of each line.

    The output has a line for each input line: the natural logarithm of its probability (its end included), the number
    of tokens and the number of unknown tokens. For translate, it is the probability of the target given the source;
    with --cache and --dynamic, of the line given all lines before it.
    """
    from seqloom.cli.alignments import check_figures, write_alignments
    from seqloom.data.tables.columns import parse_columns

    check_figures(alignments, figures)
    loaded = adapted(load_together(run, ensemble, "cpu", threads), cache, dynamic)
    examples = loaded.examples(file, parse_columns(columns or ""))
    aligned: list[Alignment] = []
    at_once = None if cache or dynamic else INPUTS_AT_ONCE  # a model that adapts reads one text
    while batch := list(itertools.islice(examples, at_once)):
        if alignments is not None:
            aligned += loaded.align(batch)
        if tokens:
            for scores in loaded.score_tokens(batch):
                rows = [f"{token}\t{log_prob:.6f}" for token, log_prob in scores]
                typer.echo(to_json([score._asdict() for score in scores]) if json else "\n".join([*rows, ""]))
            continue
        for line in loaded.score(batch):
            typer.echo(to_json(line._asdict()) if json else f"{line.log_prob:.6f}\t{line.tokens}\t{line.unknown}")
    if alignments is not None:
        write_alignments(alignments, aligned, figures)


def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Option(help="the text to continue")] = "",
    max_tokens: Annotated[int, typer.Option(min=1, help="the most tokens to write")] = 200,
    temperature: Annotated[
        float, typer.Option(help="0 takes the most probable token at each step; higher is more random")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="sample from the k most probable tokens; 0: all")] = 0,
    top_p: Annotated[
        float, typer.Option(help="sample from the most probable tokens that together have this probability")
    ] = 1.0,
    seed: Seed = 1,
    unknown: Annotated[bool, typer.Option("--unknown", help="allow the token <unk>")] = False,
    no_repeat_ngrams: Annotated[int, typer.Option(help="no n-gram of so many tokens occurs twice; 0: no limit")] = 0,
    repetition_penalty: Annotated[
        float, typer.Option(help="above 1, tokens that occurred before become less probable")
    ] = 1.0,
    cache: Cache = 0,
    dynamic: Dynamic = 0.0,
    threads: Threads = 0,
) -> None:
    """Continue a prompt and print the text while it is generated."""
    from seqloom.run import load

    pieces = adapted(load(run, device="cpu", threads=threads), cache, dynamic).generate(
        prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        unknown=unknown,
        no_repeat_ngrams=no_repeat_ngrams,
        repetition_penalty=repetition_penalty,
    )
    typer.echo(prompt, nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
        typer.get_text_stream("stdout").flush()
    typer.echo()
