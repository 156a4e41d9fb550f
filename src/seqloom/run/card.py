"""The card of a run: a `README.md` that says what the model is, what it was trained on and how it scores."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any

from seqloom.data.corpus import Corpus
from seqloom.files import write_atomic
from seqloom.run.run import Run


def write_card(run: Run, corpus: Corpus[Any, Any]) -> None:
    """Writes the card of a run whose summary is written already."""
    write_atomic(run.folder / "README.md", card(run, corpus))


def card(run: Run, corpus: Corpus[Any, Any]) -> str:
    """The card as Markdown: model, data and its splits, scores, versions, and the command that repeats the training."""
    plan, summary = run.plan, run.summary
    text = run.task.describe(plan.model).text
    parts = [
        f"# {plan.task}: {plan.model}",
        f"{run.task.description}\n{text}\n{run.num_parameters():,} parameters.",
        *_ancestry(run),
        "## Data",
        _table(("part", "source", "lines", "targets"), _splits(run, corpus)),
        "## Scores",
        f"The best weights are those with the best `{summary['score']}` on the validation data"
        + (f", after update {summary['best_updates']:,} of {summary['updates']:,}." if summary["updates"] else "."),
        _table(("metric", "validation", "test", *(["replayed"] if "replay" in summary else [])), _scores(summary)),
        "## Training",
        _table(("", ""), _training(run, summary)),
        f"```\n{command(run)}\n```",
        "All settings are in `config.toml`; those that differ from the defaults are not part of the command above.",
    ]
    return "\n\n".join(parts) + "\n"


def command(run: Run) -> str:
    """The command that repeats the training. Settings are left to `config.toml`, which has all of them."""
    plan = run.plan
    words = ["seqloom train", plan.task, plan.sources.data, "--model", plan.model, "--seed", str(plan.seed)]
    for option, value in (("valid", plan.sources.valid), ("test", plan.sources.test)):
        words += [f"--{option}", value] if value is not None else []
    words += ["--from", plan.ancestry[0].run] if plan.ancestry else []
    if plan.sources.replay is not None:
        words += ["--replay", f"{plan.sources.replay}:{plan.sources.replay_share:g}"]
    for name, value in plan.budget.model_dump(exclude_defaults=True).items():
        words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return " ".join(words)


def _ancestry(run: Run) -> list[str]:
    """The runs that this one was initialised from, the nearest first."""
    if not run.plan.ancestry:
        return []
    header = ("run", "model", "taken", "SHA-256 of the weights", "SHA-256 of the tokenizer or codec")
    rows = [(f"`{a.run}`", f"{a.task} {a.model}", a.taken, a.weights, a.tokenizer) for a in run.plan.ancestry]
    return ["## Began from", _table(header, rows)]


def _splits(run: Run, corpus: Corpus[Any, Any]) -> list[tuple[str, str, str, str]]:
    sources = run.plan.sources
    share = f"a share of {sources.data}"
    rows = [("training", sources.data, corpus.train), ("validation", sources.valid or share, corpus.valid)]
    if corpus.test is not None:
        rows.append(("test", sources.test or share, corpus.test))
    if corpus.replay is not None:
        rows.append(("replayed", str(sources.replay), corpus.replay.train))
        rows.append(("replayed, held out", str(sources.replay), corpus.replay.valid))
    return [(name, f"`{source}`", f"{data.num_lines:,}", f"{len(data):,}") for name, source, data in rows]


def _scores(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    parts = [summary["valid"], summary["test"] or {}, *([summary["replay"]] if "replay" in summary else [])]
    return [(name, *(_shown(part.get(name)) for part in parts)) for name in summary["valid"]]


def _training(run: Run, summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("seed", str(run.plan.seed)),
        ("time", f"{summary['seconds']:,.0f} s"),
        ("finished", "yes" if summary["finished"] else "no: it was stopped and can be resumed"),
        ("peak memory", f"{summary['peak_memory_bytes'] / 1e6:,.0f} MB, in: {summary['peak_memory_in']}"),
        ("versions", ", ".join([*_versions(), f"Python {platform.python_version()}", platform.system()])),
    ]


def _versions() -> list[str]:
    """The versions of the packages that matter, without importing them."""
    versions = []
    for package in ("seqloom", "torch", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    return versions


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else f"`{value}`"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
