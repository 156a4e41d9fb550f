"""Forecasts beside statsforecast's, on the data of ../shared/data/series: errors, coverage, seconds, memory.

    python benchmarks/forecast.py [PART ...]

Parts: classics, etth1, m3, m3_networks, m3_mixtures, order, panel, panel_default.

Models and peers forecast from the same origins; each is fitted to the values before. `seconds` are processor seconds;
of trainings by the command line they are by the clock, and `processor_seconds` include imports, validation and test.
Results are kept in benchmarks/results/forecast.json, part by part.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from seqloom.data.series.columns import ColumnSettings
from seqloom.data.series.panel import History, Panel
from seqloom.data.series.table import read_panel
from seqloom.metrics.forecasting import ForecastScores
from seqloom.models.forecasting.ar import Autoregressive
from seqloom.models.forecasting.ar_settings import AutoregressionSettings
from seqloom.models.forecasting.forecast import LEVELS, Forecast
from seqloom.models.forecasting.naive import Naive, NaiveSettings, SeasonalNaive
from seqloom_portable.least_squares import CRITERIA

SERIES = Path(__file__).parent.parent.parent / "shared" / "data" / "series"
RESULTS = Path(__file__).parent / "results" / "forecast.json"
CACHE = Path(tempfile.gettempdir()) / "seqloom-benchmark-forecast"

Answer = Callable[[Sequence[History], int], Iterator[Forecast]]
Rows = dict[str, Any]


def peer(name: str, period: int) -> Answer:
    """A model of statsforecast, with a normal distribution through its interval of 80 %."""
    from scipy.special import ndtri
    from statsforecast import models

    def forecasts(histories: Sequence[History], horizon: int) -> Iterator[Forecast]:
        for history in histories:
            model = getattr(models, name)(season_length=period)
            answer = model.forecast(history.values, horizon, level=[80])
            point = np.asarray(answer["mean"], np.float64)
            yield Forecast.normal(point, np.maximum(np.asarray(answer["hi-80"]) - point, 0) / ndtri(0.9))

    return forecasts


def ours(model: Any, period: int) -> Answer:
    model.period = period
    return lambda histories, horizon: model.forecasts(histories, horizon)


def scored(answer: Answer, panel: Panel, horizon: int, pairs: Sequence[tuple[int, int]]) -> Rows:
    scores, started = ForecastScores(LEVELS, panel.period, horizon), time.process_time()
    histories = [panel.history(series, origin) for series, origin in pairs]
    for (series, origin), forecast in zip(pairs, answer(histories, horizon), strict=True):
        values = panel.of(series)
        actual = values[origin : origin + horizon]
        scores.add(series, origin, values[:origin], actual, forecast.point, forecast.quantiles)
    return scores.metrics() | {"seconds": round(time.process_time() - started, 2)}


def compared(panel: Panel, horizon: int, pairs: Sequence[tuple[int, int]], peers: Sequence[str]) -> Rows:
    period = panel.period
    answers = {
        "naive": ours(Naive(NaiveSettings(), False), period),
        "seasonal-naive": ours(SeasonalNaive(NaiveSettings(), False), period),
        "ar": ours(Autoregressive(AutoregressionSettings(), False), period),
        "ar, the best candidate alone": ours(Autoregressive(AutoregressionSettings(combine=False), False), period),
        **{name: peer(name, period) for name in peers},
    }
    warm_up = panel.select([0])
    rows = {}
    for name, answer in answers.items():
        list(
            answer([warm_up.history(0, int(warm_up.lengths[0]) - horizon)], horizon)
        )  # compiles what is compiled at first use
        rows[name] = scored(answer, panel, horizon, pairs)
        print(f"  {name:28s}", {k: round(v, 3) for k, v in rows[name].items()}, flush=True)
    return rows


def classics() -> Rows:
    """Rolling origins; at each all models are selected and fitted again."""
    rows = {}
    quick = ["AutoETS", "AutoTheta", "AutoCES"]
    for file, settings, horizon, origins, step, peers in (
        ("airline", {}, 6, 31, 1, [*quick, "AutoARIMA"]),
        ("co2", {"frequency": "1mo"}, 12, 17, 3, quick),  # AutoARIMA takes more than a minute
        ("sunspots", {}, 5, 12, 5, [*quick, "AutoARIMA"]),
    ):
        panel = read_panel(str(SERIES / f"{file}.csv"), ColumnSettings.model_validate(settings)).panel
        last = int(panel.lengths[0]) - horizon
        print(file)
        pairs = [(0, last - step * back) for back in reversed(range(origins))]
        rows[file] = compared(panel, horizon, pairs, peers)
    return rows


def processor_seconds() -> float:
    """Of all processes that this one started and that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def trained(data: Path, model: str, settings: dict[str, Any], threads: int = 1, step: int = 0, **budget: Any) -> Rows:
    """Test scores of a run by the command line, in a separate process. `step` 1: from every origin."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", "forecast", str(data), "--model", model, "--out", f"{folder}/run", "--threads", str(threads)]
        words += [part for name, value in budget.items() for part in (f"--{name}", str(value))]
        words += [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]
        started = processor_seconds()
        subprocess.run([sys.executable, "-m", "seqloom", *words], check=True, stdout=subprocess.DEVNULL)
        used = {"processor_seconds": round(processor_seconds() - started, 2)}
        row = json.loads((Path(folder) / "run" / "summary.json").read_text())
        test = row["test"]
        if step:
            words = ["evaluate", f"{folder}/run", str(data), "--step", str(step), "--json", "--threads", str(threads)]
            output = subprocess.run([sys.executable, "-m", "seqloom", *words], check=True, stdout=subprocess.PIPE)
            test = json.loads(output.stdout)
    row = test | {name: row[name] for name in ("seconds", "parameters", "peak_memory_bytes")} | used
    print(f"  {model}", {k: round(v, 4) for k, v in row.items()}, flush=True)
    return row


def etth1() -> Rows:
    """12, 4 and 4 months, standardised by the first; horizon 96, every window of the test."""
    CACHE.mkdir(exist_ok=True)
    frame, path = pl.read_csv(SERIES / "ETTh1.csv")[:14_400], CACHE / "etth1.csv"
    names = frame.columns[1:]
    learnt = frame[:8_640]
    frame.with_columns(((pl.col(n) - learnt[n].mean()) / learnt[n].std(ddof=0)).alias(n) for n in names).write_csv(path)
    data = {"data.horizon": 96, "data.valid_steps": 2_880, "data.test_steps": 2_880}
    window = {"window.transform": "none", "window.level": "last", "training.evaluations": 4}
    days = {**window, "window.context": 336, "window.segment": 24}
    hours = {**window, "window.context": 96, "window.shortcut": False}
    alone = {"data.target": ["OT"]}
    past = {**alone, "data.past": [name for name in names if name != "OT"]}
    rows = {
        "seasonal-naive": trained(path, "seasonal-naive", data, step=1),
        "ridge": trained(path, "ridge", data, step=1),
        "gru over segments of a day": trained(path, "gru", data | days, step=1, updates=800),
        "lstm over hours": trained(path, "lstm", data | hours, step=1, updates=500),
    }
    for model, settings, budget in (("ridge", {}, {}), ("gru", days, {"updates": 300})):
        for name, columns in (("OT alone", alone), ("OT with covariates", past)):
            rows[f"{model}, {name}"] = trained(path, model, data | settings | columns, step=1, **budget)
    recursive = {**hours, "window.horizons": "recursive"}  # up to 24 origins per series, since sample paths are slow
    rows["lstm, hour by hour along sample paths"] = trained(path, "lstm", data | recursive, updates=500)
    return rows


def m3() -> Rows:
    """1,428 monthly series, the last 18 steps."""
    path = SERIES / "m3_monthly.csv.gz"
    panel = read_panel(str(path), ColumnSettings(period=12)).panel
    pairs = [(series, int(steps) - 18) for series, steps in enumerate(panel.lengths)]
    return compared(panel, 18, pairs, ["AutoTheta", "AutoCES"])


def m3_networks() -> Rows:
    """The same series and origins: models of all series, two minutes on two threads for the network."""
    return {"ridge": trained_on_m3("ridge"), "gru": trained_on_m3("gru", minutes=2)}


def m3_mixtures() -> Rows:
    """The same series and origins: mixtures of a GRU and classical models, two minutes on two threads for the GRU."""
    with_theta = {"mixture.classics": ["ar", "theta"]}
    return {
        "mix": trained_on_m3("mix", minutes=2), "mix, with theta": trained_on_m3("mix", with_theta, minutes=2)
    }  # fmt: skip


def trained_on_m3(model: str, settings: Rows | None = None, **budget: Any) -> Rows:
    data = {"data.period": 12, "data.horizon": 18, **(settings or {})}
    return trained(SERIES / "m3_monthly.csv.gz", model, data, threads=2, **budget)


def order() -> Rows:
    """AR(2), 400 series: coverage of 90 %, the share of correct orders, and coefficients."""
    rows = {}
    for steps in (60, 200, 1_000):
        rng, inside, off = np.random.default_rng(steps), [], []
        automatic = Autoregressive(AutoregressionSettings(), False)
        plain = {
            name: Autoregressive(
                AutoregressionSettings(transform="none", differences=0, trend=False, criterion=name), False
            )
            for name in CRITERIA
        }  # fmt: skip
        orders: dict[str, list[bool]] = {name: [] for name in CRITERIA}
        for _ in range(400):
            noise, values = rng.standard_normal(steps + 110), np.zeros(steps + 110)
            for t in range(2, len(values)):
                values[t] = 1.2 * values[t - 1] - 0.5 * values[t - 2] + noise[t]
            past, ahead = values[100:-10], values[-10:]
            combination = automatic.combine(past, 10)
            assert combination is not None
            low, high = np.quantile(combination.paths(past, 10, 800, rng)[1], [0.05, 0.95], axis=0)
            inside.append(((low <= ahead) & (ahead <= high)).mean())
            for name, model in plain.items():
                simple = model.combine(past, 10)
                assert simple is not None
                orders[name].append(simple.fits[0].order == 2)
                if name == AutoregressionSettings().criterion:
                    phi = np.append(simple.fits[0].autoregressive(), [0.0, 0.0])[:2]
                    off.append(np.abs(phi - [1.2, -0.5]).max() < 0.1)
        rows[str(steps)] = {
            "coverage_90": float(np.mean(inside)),
            **{f"order_by_{name}": float(np.mean(right)) for name, right in orders.items()},
            "coefficients_within_a_tenth": float(np.mean(off)),
        }  # fmt: skip
        print(f"  {steps}", rows[str(steps)], flush=True)
    return rows


def panel() -> Rows:
    """100,000 series of 100 steps, a GRU for a minute: seconds and peak memory."""
    return {"gru": trained(many_series(), "gru", {"data.horizon": 6}, minutes=1)}


def panel_default() -> Rows:
    """The same series, and the default model: each series is fitted."""
    return {"ar": trained(many_series(), "ar", {"data.horizon": 6})}


def many_series() -> Path:
    CACHE.mkdir(exist_ok=True)
    path, count, steps = CACHE / "panel.parquet", 100_000, 100
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.standard_normal((count, steps), dtype=np.float32), axis=1)
    names = np.repeat(np.arange(count), steps)
    pl.DataFrame({"series": names, "step": np.tile(np.arange(steps), count), "value": values.ravel()}).write_parquet(
        path
    )
    return path


PARTS: dict[str, Callable[[], Rows]] = {
    "classics": classics, "etth1": etth1, "m3": m3, "m3_networks": m3_networks, "m3_mixtures": m3_mixtures,
    "order": order, "panel": panel, "panel_default": panel_default,
}  # fmt: skip


def main(parts: Sequence[str]) -> None:
    if not SERIES.exists():
        sys.exit(f"the data is not here: {SERIES}")
    for part in parts or PARTS:
        print(part)
        rows = PARTS[part]()
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(results | {part: rows}, indent=1) + "\n")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
