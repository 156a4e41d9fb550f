"""`forecast.html`: forecasts and actual values, scores by step ahead, residuals, coefficients of autoregressions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from seqloom.charts.axis import Axis
from seqloom.charts.bars import Bar, bar_chart, histogram
from seqloom.charts.figure import Figure
from seqloom.charts.lines import Line, line_chart
from seqloom.charts.page import Page
from seqloom.explain.score_tiles import TILES_STYLE, score_tiles
from seqloom.metrics.forecasting import INTERVALS, ForecastStudy, SeriesStudy
from seqloom_portable.combination import Coefficients

_STYLE = """
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-top: .75rem }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th { font-weight: 600; color: var(--soft); font-size: .8rem } th:first-child, td:first-child { text-align: left }
"""

_NAMES = {
    "mase": "MASE", "smape": "sMAPE, %", "rmsse": "RMSSE", "crps": "CRPS", "mae": "MAE", "rmse": "RMSE",
    **{f"coverage_{p}": f"coverage, {p} %" for p in INTERVALS},
}  # fmt: skip
"""Names of the metrics on the page."""

_MAX_LAG = 24
_BINS = 25


def forecast_page(study: ForecastStudy, title: str, about: str = "") -> Page:
    """The page; all text is escaped, and it loads nothing from the network. `about` is a line below the title."""
    figures: list[Figure] = []
    parts = [f'<h1>{escape(title)}</h1><p class="soft">{escape(about)}</p>', _scores(study)]
    parts.append(_by_horizon(study, figures))
    parts += [_series(series, number, figures) for number, series in enumerate(study.series)]
    return Page(title, "\n".join(parts), figures, TILES_STYLE + _STYLE)


def _scores(study: ForecastStudy) -> str:
    shown = {
        _NAMES.get(name, name): f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
        for name, value in study.scores.items()
    }
    return (
        f'{score_tiles(shown)}<p class="soft">MASE, RMSSE and CRPS are divided by the error of the '
        f"seasonal naive forecast in each series' past, period {study.period}: below 1 is better. Coverage is "
        "the share of values inside the interval.</p>"
    )


def _by_horizon(study: ForecastStudy, figures: list[Figure]) -> str:
    steps = [(float(row["step"]), row["mase"]) for row in study.by_horizon if np.isfinite(row["mase"])]
    if not steps:
        return ""
    x = Axis(0.5, len(study.by_horizon) + 0.5, False, "steps ahead")
    y = Axis.over([0.0, *(value for _, value in steps)], "MASE", False)
    coverage = [
        Line(f"{p} %", [(float(row["step"]), row[f"coverage_{p}"]) for row in study.by_horizon], colour=number)
        for number, p in enumerate(INTERVALS)
    ]
    shown = [
        line_chart("by-horizon", "MASE by steps ahead", [Line("MASE", steps)], x, y),
        line_chart(
            "coverage", "coverage of the intervals by steps ahead", coverage, x, Axis(0.0, 1.02, False, "coverage")
        ),
    ]
    figures += shown
    return "<h2>By steps ahead</h2>" + "".join(figure.html() for figure in shown)


def _series(series: SeriesStudy, number: int, figures: list[Figure]) -> str:
    name = series.name or "the series"
    chart = _forecast(series, number)
    figures.append(chart)
    begin, plural = escape(series.times[len(series.history)]), "" if series.origins == 1 else "s"
    parts = [
        f"<h2>{escape(name)}</h2>",
        f'<p class="soft">Forecast from {begin} on; MASE {series.mase:.3f} over {series.origins} origin{plural}. '
        "The bands are the 80 % and 95 % intervals.</p>",
        chart.html(),
    ]
    if len(series.errors) >= 8:
        spread = _errors(series, number)
        figures += spread
        parts += [
            "<h3>Residuals: errors one step ahead</h3>",
            *(figure.html() for figure in spread),
            f"<p>{_verdict(series)}</p>",
        ]
    if series.coefficients is not None:
        parts.append(_coefficients(series.coefficients))
    return "\n".join(parts)


def _forecast(series: SeriesStudy, number: int) -> Figure:
    """History, actual values, and the median with two intervals."""
    begin = series.origin - len(series.history)
    past = [(float(begin + step), float(value)) for step, value in enumerate(series.history)]
    ahead = [float(series.origin + step) for step in range(len(series.median))]
    joined = past[-1:]
    actual = joined + list(zip(ahead, series.actual.tolist(), strict=True))
    median = list(zip(ahead, series.median.tolist(), strict=True))
    bands = [list(zip(low.tolist(), high.tolist(), strict=True)) for low, high in (series.wide, series.narrow)]
    lines = [
        Line("history", past, colour=7, marks=False),
        Line("95 %", median, colour=0, band=bands[0], marks=False),
        Line("forecast", median, colour=0, band=bands[1], marks=False),
        Line("actual", actual, colour=2, marks=False),
    ]
    values = [v for _, v in past + actual] + [v for band in bands for pair in band for v in pair]
    months = all(time.endswith("-01") for time in series.times)
    names = {float(begin + step): time[:-3] if months else time for step, time in enumerate(series.times)}
    x = Axis(float(begin), ahead[-1], False, "time", names)
    return line_chart(
        f"forecast-{number}", f"forecast of {series.name or 'the series'}", lines, x, Axis.over(values, "value", False)
    )


def autocorrelation(
    errors: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], max_lag: int
) -> list[float]:
    """At the lags 1 to `max_lag`, or to half the length of a short series."""
    centred = np.asarray(errors, np.float64) - np.mean(errors)
    total = float(centred @ centred)
    lags = range(1, min(max_lag, len(centred) // 2) + 1)
    return [float(centred[lag:] @ centred[:-lag]) / total if total else 0.0 for lag in lags]


def _errors(series: SeriesStudy, number: int) -> list[Figure]:
    counts, edges = np.histogram(series.errors, _BINS)
    correlations = autocorrelation(series.errors, _MAX_LAG)
    bars = [Bar(str(lag), value, colour=int(abs(value) > _bound(series))) for lag, value in enumerate(correlations, 1)]
    return [
        histogram(f"errors-{number}", "errors one step ahead", counts, edges, "error"),
        bar_chart(f"autocorrelation-{number}", "autocorrelation of the residuals", bars, "autocorrelation"),
    ]


def _bound(series: SeriesStudy) -> float:
    """The 95 % limit of the autocorrelations of independent errors (Bartlett 1946)."""
    return 1.96 / float(np.sqrt(len(series.errors)))


def _verdict(series: SeriesStudy) -> str:
    correlations = autocorrelation(series.errors, _MAX_LAG)
    beyond = [lag for lag, value in enumerate(correlations, 1) if abs(value) > _bound(series)]
    if len(beyond) <= max(1, round(0.05 * len(correlations))):
        return "The residuals look independent: no linear dependence on the past is left."
    lags = ", ".join(map(str, beyond[:6]))
    bound = f"± {_bound(series):.2f}"
    return f"The residuals are correlated at the lags {lags} (beyond {bound}): a better model could use that."


def _coefficients(autoregression: Coefficients) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{value:.4f}</td><td>{'–' if np.isnan(error) else f'{error:.4f}'}</td></tr>"
        for name, value, error in autoregression.terms
    )
    roots = "".join(
        f"<tr><td>{size:.3f}</td><td>{'–' if cycle is None else f'{cycle:.1f}'}</td></tr>"
        for size, cycle in autoregression.roots
    )
    specifications = "".join(
        f"<tr><td>{escape(specification)}</td><td>{weight:.3f}</td></tr>"
        for specification, weight in autoregression.specifications
    )
    name = f"{escape(autoregression.specification)}, order {autoregression.order}"
    return f"""<h3>The autoregression with the largest weight: {name}</h3>
<div class="wide"><table><tr><th>term</th><th>coefficient</th><th>standard error</th></tr>{rows}</table></div>
<h3>Characteristic roots</h3>
<p class="soft">Stationary if all moduli are below 1. A complex pair is a cycle; its period is in steps.</p>
<div class="wide"><table><tr><th>modulus</th><th>period of the cycle</th></tr>{roots}</table></div>
<h3>Weights of all specifications</h3>
<div class="wide"><table><tr><th>specification</th><th>weight</th></tr>{specifications}</table></div>"""
