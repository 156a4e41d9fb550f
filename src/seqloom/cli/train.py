"""`seqloom train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.options import (
    Columns,
    Data,
    Device,
    Fold,
    Folds,
    Json,
    Seed,
    Set,
    SplitSeed,
    Test,
    Threads,
    Valid,
    print_metrics,
)


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="see: seqloom list tasks", show_default=False)],
    data: Data,
    model: Annotated[
        str | None, typer.Option(help="see: seqloom list models TASK; without it, the default model of the task")
    ] = None,
    valid: Valid = None,
    test: Test = None,
    minutes: Annotated[
        float, typer.Option(help="how long to train; without any budget, 10 minutes", show_default=False)
    ] = 0.0,
    epochs: Annotated[
        float, typer.Option(help="budget instead of minutes: passes over the data", show_default=False)
    ] = 0.0,
    sequences: Annotated[int, typer.Option(help="budget instead of minutes: sequences", show_default=False)] = 0,
    updates: Annotated[
        int, typer.Option(help="budget instead of minutes: steps of the optimizer", show_default=False)
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="the folder of the run; without it, a new one under runs/")] = None,
    initialise_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="initialise from this run: its settings, tokenizer and weights, or the parts that fit",
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(metavar="PART,...", help="parts of the network that are not trained, such as embedding,encoder"),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(metavar="FILE:SHARE", help="with --from: mix in old data against forgetting: old.tsv:0.1"),
    ] = None,
    merge: Annotated[
        Path | None, typer.Option(metavar="RUN", help="ngram: interpolate the new model with this n-gram run")
    ] = None,
    columns: Columns = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="translate: the second column is the source")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="transcribe: skip recordings that cannot be read, with a count")
    ] = False,
    settings: Set = None,
    seed: Seed = 1,
    split_seed: SplitSeed = 0,
    fold: Fold = 0,
    folds: Folds = 0,
    threads: Threads = 0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="continue the stopped training in --out")] = False,
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="write each validation for a tracker as well: tensorboard (into the folder of the run) or wandb",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Train a model and save it as a run.

    A run is a folder with the best weights, the tokenizer, the settings and the metrics. Ctrl-C stops a training;
    --resume continues it as if it had never stopped.
    """
    from seqloom.config import parse_assignments
    from seqloom.data.tables.columns import parse_columns
    from seqloom.errors import RequestError
    from seqloom.run import train as train_run

    if resume and out is None:
        raise RequestError("--resume needs the folder of the run", where="--out")
    aliases = [f"data.{name}=true" for name, is_set in (("reverse", reverse), ("skip_bad", skip_bad)) if is_set]
    aliases += [f"model.merge={merge}"] if merge is not None else []
    try:
        run = train_run(
            task,
            data,
            model=model,
            valid=valid,
            test=test,
            minutes=minutes,
            epochs=epochs,
            sequences=sequences,
            updates=updates,
            out=out,
            seed=seed,
            split_seed=split_seed,
            fold=fold,
            folds=folds,
            device=device,
            threads=threads,
            resume=resume,
            log=log or (),
            columns=parse_columns(columns) if columns else None,
            initialise_from=initialise_from,
            freeze=[part.strip() for part in freeze.split(",")] if freeze else (),
            replay=_parse_replay(replay) if replay else None,
            settings=parse_assignments([*(settings or []), *aliases]),
        )
    except KeyboardInterrupt:
        print(f"stopped at once; continue with: --resume --out {out or 'RUN'}", file=sys.stderr)
        raise typer.Exit(130) from None
    if run.runtime.rank != 0:
        return
    summary = run.summary
    kind = "test" if summary["test"] else "valid"
    shown = {f"{kind}_{name}": value for name, value in summary[kind].items()}
    shown |= {f"replay_{name}": value for name, value in summary.get("replay", {}).items()}
    print_metrics({**shown, "run": str(run.folder)}, json)
    best, updates = summary["best_updates"], summary["updates"]
    if summary["out_of_patience"]:
        print(f"stopped before the budget was spent; best after update {best:,} of {updates:,}", file=sys.stderr)
    elif updates and best < 0.7 * updates:
        hint = "--set training.patience=5 ends a training there"
        print(f"no gain since update {best:,} of {updates:,}; {hint}", file=sys.stderr)
    if not summary["finished"]:
        raise typer.Exit(130)


def _parse_replay(text: str) -> tuple[str, float]:
    """`old.tsv:0.1` as the file and the share."""
    from seqloom.errors import RequestError

    file, _, share = text.rpartition(":")
    try:
        if not file:
            raise ValueError(text)
        return file, float(share)
    except ValueError:
        raise RequestError(
            "the share of replayed data is not a number", where="--replay", got=text, expected="FILE:SHARE, old.tsv:0.1"
        ) from None
