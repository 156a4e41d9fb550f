"""`seqloom predict` and `seqloom evaluate` for runs of `forecast`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from seqloom.metrics.forecasting import ForecastScores
    from seqloom.run import Run


def print_forecast(
    loaded: Run, file: str | None, horizon: int, paths: int, seed: int, past: bool, out: Path | None, json: bool
) -> None:
    """Prints or writes a table of forecasts for a file or the training data; `past`: a table of anomaly scores."""
    from seqloom.formats.number_table import check_kind, print_table, write_table

    if out is not None:
        check_kind(out)
    rows = _anomalies(loaded, file) if past else _rows(loaded, file, horizon, paths, seed)
    if out is not None:
        write_table(rows, out)
        print(f"table: {out}", file=sys.stderr)
    else:
        print_table(rows, typer.get_text_stream("stdout"), json)


def _rows(loaded: Run, file: str | None, horizon: int, paths: int, seed: int) -> Iterator[dict[str, Any]]:
    from seqloom.models.forecasting.forecast import LEVELS

    names = [f"q{level:g}" for level in LEVELS]
    for row in loaded.forecast(file, horizon=horizon, paths=paths, seed=seed):
        samples = [] if row.paths is None else row.paths.tolist()
        yield {
            **({"series": row.series} if row.series else {}),
            "time": row.time,
            "mean": row.mean,
            **dict(zip(names, row.quantiles.tolist(), strict=True)),
            **{f"path{number}": value for number, value in enumerate(samples, 1)},
        }


def _anomalies(loaded: Run, file: str | None) -> Iterator[dict[str, Any]]:
    for row in loaded.anomalies(file):
        named = row._asdict()
        yield named if row.series else {name: value for name, value in named.items() if name != "series"}


def write_page(loaded: Run, data: Any, path: Path, figures: Path | None, name: str, rolling: dict[str, Any]) -> None:
    """Writes `forecast.html`."""
    from seqloom.explain.forecast_page import forecast_page

    about = f"{loaded.plan.model} · {name} · run {loaded.folder.resolve().name}"
    forecast_page(loaded.study(data, **rolling), "Forecasts and actual values", about).write(path, figures)
    print(f"report: {path}", file=sys.stderr)


def print_scores(scores: ForecastScores, by: str | None, json: bool) -> None:
    """Prints all metrics, or a table of them by step ahead or by series."""
    from seqloom.cli.options import print_metrics
    from seqloom.errors import unknown_name
    from seqloom.formats.number_table import print_table
    from seqloom.json_line import to_json

    if by not in (None, "horizon", "series"):
        raise unknown_name("table", by, ("horizon", "series"), where="--by")
    if by is None:
        print_metrics(scores.metrics(), json)
        return
    rows = scores.by_horizon() if by == "horizon" else scores.by_series()
    if json:
        typer.echo(to_json(rows))
    else:
        print_table(rows, typer.get_text_stream("stdout"))
