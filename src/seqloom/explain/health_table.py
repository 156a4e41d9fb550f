"""The health of trainings as a table: a row for each measure, a column for each run."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from seqloom.explain.measured import Measured
from seqloom.explain.measures.health import Health

_LIMITS = (
    "whether another learning rate or another clipping would train better; the ratios are medians over the weight "
    "matrices, and one matrix may differ. The shares of saturated and dead units are those of the worst layer."
)


def health_rows(run: Measured) -> dict[str, str]:
    """The measures of a run in words; those that it does not have are left out."""
    health = run.health
    rows = {} if health is None else {**_losses(health), **_steps(health)}
    saturated = max((gates.saturation for gates in run.gates), default=None)
    dead = max((gates.dead for gates in run.gates if gates.dead is not None), default=None)
    rows |= {"saturated values of gates or units": _share(saturated), "dead units": _share(dead)}
    if run.setting("data.mode") == "stream" and run.gates:
        rows["horizon of truncated back-propagation"] = f"{run.setting('data.horizon')} steps"
    if run.curve is not None:
        rows["memory length"] = run.curve.context_in_words
    if run.longer is not None:
        gain = f"{run.longer.gain:.2g} nats per token" if run.longer.matters else "nothing beyond chance"
        rows[f"gain of a linear model by {run.longer.lags} steps over {run.longer.horizon}"] = gain
    return {name: text for name, text in rows.items() if text}


def _losses(health: Health) -> dict[str, str]:
    return {
        "passes over the training data": f"{health.epochs:.3g}",
        "training loss at the end": f"{health.train[-1]:.4g}",
        "lowest validation loss": f"{min(health.valid):.4g}",
        "validation loss at the end, above the lowest": f"{health.overfit:.1%}",
        "gained in the second half of the updates": f"{health.late_gain:.1%}",
    }


def _steps(health: Health) -> dict[str, str]:
    largest = max(health.largest_norms or health.probe_norms, default=None)
    clipped = sum(health.clip_rates) / len(health.clip_rates) if health.clip_rates else None
    return {
        "largest norm of a gradient": "" if largest is None else f"{largest:.3g}",
        "updates that were clipped": "no clipping" if health.clip_norm == 0 else _share(clipped),
        "a step over the weights, at the beginning at most": _share(health.first_step),
        "a step over the weights, at the end": _share(health.update_ratio),
        "weights at the end over those at the beginning": "" if health.growth is None else f"{health.growth:.3g}",
        "gradient noise scale": _noise(health),
        "padding in the batches": "" if health.clip_norm is None else f"{health.padding:.0%}",
    }


def _noise(health: Health) -> str:
    if health.noise_scale is None or health.batch_targets is None:
        return ""
    return f"about {health.noise_scale:,.0f} targets; {health.batch_targets:,.0f} in a probe batch"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def health_table(runs: Sequence[Measured]) -> str:
    """HTML; empty where no run was trained step by step."""
    columns = [health_rows(run) for run in runs]
    if all(run.health is None for run in runs):
        return ""
    measures = list(dict.fromkeys(measure for column in columns for measure in column))
    head = "".join(f"<th>{escape(run.name)}</th>" for run in runs)
    rows = "".join(_row([measure, *(column.get(measure, "–") for column in columns)]) for measure in measures)
    return f"""<h2>Health of the training</h2><div class="wide"><table><tr><th></th>{head}</tr>{rows}</table></div>
<p class="soft">What this cannot tell: {escape(_LIMITS)}</p>"""


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
