"""Whether vectors over-fit: the running loss and the held-out loss of every pass, as lines on a page."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import Any

from seqloom.charts.axis import Axis
from seqloom.charts.figure import AltairFigure
from seqloom.charts.lines import Line, Points, line_chart, y_axis
from seqloom.charts.page import Page
from seqloom.errors import RequestError
from seqloom.training.reports import MetricsFile, read_summary


def loss_page(folder: Path) -> Page:
    """The page of a run that was fitted pass by pass, or trained. Raises RequestError where it holds no figures."""
    rows, facts = MetricsFile(folder).rows(), read_summary(folder)
    held = f"valid_{facts.get('score', '')}"
    rows = [row for row in rows if "train_loss" in row and held in row]
    if not rows:
        raise RequestError(
            "there are no losses to show", where=str(folder), expected="a run of vectors that has been trained"
        )
    rows = [row for row in rows if math.isfinite(row[held])]
    if not rows:
        raise RequestError(
            "there is no held-out loss to show",
            where=str(folder),
            got="held-out text without two known words in one line",
            hint="give more text with --valid",
        )
    running = [(float(row["epoch"]), float(row["train_loss"])) for row in rows]
    measured = [(float(row["epoch"]), float(row[held])) for row in rows]
    best = min(range(len(rows)), key=lambda place: rows[place][held])
    title = f"Does {facts.get('model', 'the model')} over-fit?"
    figure = _chart(running, measured, best)
    body = f"""<h1>{escape(title)}</h1>
<p>{_verdict(measured, best)}</p>
{figure.html()}
<p class="soft">{_about(facts)}</p>"""
    return Page(title, body, [figure])


def _verdict(measured: Points, best: int) -> str:
    (epoch, lowest), (last_epoch, last) = measured[best], measured[-1]
    if best == len(measured) - 1:
        return (
            f"Not so far: the loss on held-out text is lowest at the end, {lowest:.4g} nats after {epoch:.3g} passes."
        )
    return (
        f"Yes: the loss on held-out text turned up after {epoch:.3g} passes, from {lowest:.4g} to {last:.4g} nats "
        f"after {last_epoch:.3g}. The vectors of the lowest loss were kept."
    )


def _about(facts: dict[str, Any]) -> str:
    return escape(
        "Running: of each pass over the training text, measured on every window before it is learnt from. It is low "
        "for two reasons, that something general is learnt and that the text is remembered; words that have just been "
        "seen help it too. Held-out: of lines that are never learnt from, with equal windows and negatives each time. "
        f"Seed {facts.get('seed', '–')}, {facts.get('parameters', 0):,} parameters."
    )


def _chart(running: Points, held: Points, best: int) -> AltairFigure:
    across = Axis(0.0, max(x for x, _ in running) * 1.01, False, "passes over the text")
    lines = [Line("held-out", held, 0), Line("running", running, 1)]
    down = y_axis(lines, "nats per pair")
    label = "running and held-out loss by passes over the text"
    return line_chart("losses", label, lines, across, down, [(held[best][0], "lowest held-out loss")])
