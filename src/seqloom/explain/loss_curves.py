"""Whether vectors over-fit: the running loss and the held-out loss of every pass, as lines on a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from seqloom.axis import Axis, shown
from seqloom.errors import RequestError
from seqloom.page import page

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 820, 360, 60, 110, 30, 52
_STYLE = """
.grid { stroke: var(--rule) } .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round }
.best { stroke: var(--soft); stroke-dasharray: 4 4 } .running { stroke: var(--c1) } .held { stroke: var(--c0) }
.dot.running { fill: var(--c1); stroke: none } .dot.held { fill: var(--c0); stroke: none }
text.running { fill: var(--c1); stroke: none } text.held { fill: var(--c0); stroke: none }
"""
Points = Sequence[tuple[float, float]]


def loss_report_html(folder: Path) -> str:
    """The page of a run that was fitted pass by pass, or trained. Raises RequestError where it holds no figures."""
    path = folder / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    summary = folder / "summary.json"
    facts = json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else {}
    held = f"valid_{facts.get('score', '')}"
    rows = [row for row in rows if "train_loss" in row and held in row]
    if not rows:
        raise RequestError(
            "there are no losses to show", where=str(folder), expected="a run of vectors that has been trained"
        )
    running = [(float(row["epoch"]), float(row["train_loss"])) for row in rows]
    measured = [(float(row["epoch"]), float(row[held])) for row in rows]
    best = min(range(len(rows)), key=lambda place: rows[place][held])
    title = f"Does {escape(str(facts.get('model', 'the model')))} over-fit?"
    body = [f"<h1>{title}</h1>", f"<p>{_verdict(measured, best)}</p>", _chart(running, measured, best)]
    body.append(f'<p class="soft">{_about(facts)}</p>')
    return page(title, "\n".join(body), _STYLE)


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


def _chart(running: Points, held: Points, best: int) -> str:
    across, down = (
        Axis(0.0, max(x for x, _ in running), False, "passes over the text"),
        Axis.over([y for _, y in [*running, *held]], "nats a pair", log=False),
    )
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + across.share(x) * (right - _LEFT), floor - down.share(y) * (floor - _TOP)

    parts = [f'<text class="label" x="8" y="16">{down.label}</text>']
    for tick in down.ticks():
        _, y = place(0, tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y:.1f}" dy=".35em" text-anchor="end">{shown(tick)}</text>'
        )
    for tick in across.ticks():
        x, _ = place(tick, 0)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{shown(tick)}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="label" x="{middle:.0f}" y="{floor + 40}" text-anchor="middle">{across.label}</text>')
    x, _ = place(held[best][0], 0)
    parts.append(f'<line class="best" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{floor}"/>')
    for name, points in (("running", running), ("held", held)):
        at = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline class="curve {name}" points="{path}"/>')
        for (x, y), (epoch, loss) in zip(at, points, strict=True):
            about = f"{loss:.4f} nats after {epoch:.3g} passes"
            parts.append(f'<circle class="dot {name}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{about}</title></circle>')
        label = "held-out" if name == "held" else name
        parts.append(f'<text class="{name}" x="{at[-1][0] + 8:.1f}" y="{at[-1][1]:.1f}" dy=".35em">{label}</text>')
    return (
        f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="running and held-out loss by passes">{"".join(parts)}</svg></div>'
    )
