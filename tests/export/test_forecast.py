"""Every model that forecasts is exported, and forecasts like its run: networks, models of one series, and mixtures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import seqloom
import seqloom_portable
from seqloom.data.series.panel import History
from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.formats.onnx.forecast_network import student_t_polynomials
from seqloom.models.forecasting.calibration import calibrated
from seqloom.models.forecasting.forecast import LEVELS
from seqloom.models.forecasting.network import ForecastNetwork, Sizes, WindowSettings
from seqloom.nn.layer import layers
from seqloom.serving.hosted_folder import HostedFolder
from seqloom.tasks.forecast_networks import networks
from seqloom_portable.quantiles import of_counts
from tests.contract.test_layers import SMALL
from tests.export.test_networks import away_from_zero, passes

SIZES = Sizes(horizon=4, context=14, segment=3, past=1, ahead=2, static=1, log=0, season=5)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"distribution": "gaussian"},
    {"level": "mean", "shortcut": False},
    {"level": "none"},
    {"distribution": "student-t"},
]
STEP_BY_STEP: list[dict[str, Any]] = [
    {},
    {"distribution": "gaussian"},
    {"distribution": "student-t"},
    {"level": "last"},
]


def build(name: str, sizes: Sizes = SIZES, **options: Any) -> ForecastNetwork:
    torch.manual_seed(1)
    fields = layers[name].settings.model_fields
    settings: Any = layers[name].settings(**{key: value for key, value in SMALL.items() if key in fields})
    network = ForecastNetwork(layers[name], settings, WindowSettings(**options), sizes)
    network.factors = np.linspace(0.8, 1.3, len(network.factors))
    return away_from_zero(network, 0.1).eval()


@pytest.mark.parametrize("name", networks())
def test_networks_pass_the_gate(name: str, tmp_path: Path) -> None:
    passes(build(name), tmp_path)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("log", [0, 1])
def test_options_pass_the_gate(options: dict[str, Any], log: int, tmp_path: Path) -> None:
    passes(build("gru", SIZES._replace(log=log, ahead=0, past=0, static=0), **options), tmp_path)


@pytest.mark.parametrize("name", networks())
def test_networks_that_forecast_step_by_step_pass_the_gate(name: str, tmp_path: Path) -> None:
    passes(build(name, horizons="recursive"), tmp_path)


@pytest.mark.parametrize("options", STEP_BY_STEP, ids=str)
@pytest.mark.parametrize("log", [0, 1])
def test_distributions_of_single_steps_pass_the_gate(options: dict[str, Any], log: int, tmp_path: Path) -> None:
    passes(build("gru", SIZES._replace(log=log), horizons="recursive", **options), tmp_path)


@pytest.mark.parametrize("name", networks())
def test_networks_that_forecast_counts_pass_the_gate(name: str, tmp_path: Path) -> None:
    passes(build(name, distribution="negative-binomial"), tmp_path)


def test_quantiles_of_student_t_are_scipys() -> None:
    freedom = 2 + np.geomspace(1e-6, 1e6, 500)
    powers = (4 / freedom - 1)[:, None] ** np.arange(len(student_t_polynomials()))
    np.testing.assert_allclose(
        powers @ student_t_polynomials(), stats.t.ppf(np.array(LEVELS), freedom[:, None]), atol=1e-8
    )


def test_quantiles_of_counts_are_scipys() -> None:
    """Of some distributions with large means, a quantile's cumulative probability is the level up to 1e-7: there the
    count beside it is as good."""
    rng = np.random.default_rng(1)
    mean, dispersion = np.exp(rng.uniform(-10, 12, 200)), np.exp(rng.uniform(-9, 4, 200))
    total = 1 / dispersion[:, None]
    success = total / (total + mean[:, None])
    expected = stats.nbinom.ppf(np.array(LEVELS), total, success)
    got = of_counts(mean, dispersion, LEVELS)
    differs = got != expected
    assert differs.mean() < 0.005
    lower = stats.nbinom.cdf(np.minimum(got, expected), total, success)
    np.testing.assert_allclose(lower[differs], np.broadcast_to(LEVELS, got.shape)[differs], atol=1e-7)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"window.distribution": "student-t"},
        {"window.distribution": "negative-binomial"},
        {"window.horizons": "recursive"},
        {"window.horizons": "recursive", "window.distribution": "gaussian", "window.transform": "none"},
    ],
    ids=str,
)
def test_a_folder_forecasts_like_its_run(settings: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    numbers = [t % 5 + t // 10 + 1 for t in range(80)]
    path.write_text("step,value\n" + "".join(f"{t},{value}\n" for t, value in enumerate(numbers)))
    settings = {"model.hidden_size": 8, **settings}
    run = seqloom.train(
        "forecast", path, model="lstm", updates=3, out=tmp_path / "run", threads=1, quiet=True, settings=settings
    )
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    model = seqloom_portable.load(tmp_path / "out")
    assert "model.forecast(values)" in (tmp_path / "out" / "README.md").read_text()
    values = np.array(numbers, np.float64)
    history = History("", 0, values, np.zeros((80, 0)), np.zeros((80, 0)), np.zeros(0))
    horizon = 2 * model.horizon if run.model.recursive else model.horizon
    (expected,) = (calibrated(forecast, run.model.factors) for forecast in run.model.forecasts([history], horizon))
    got = model.forecast(values, horizon=horizon)
    assert got.quantiles.shape == (horizon, len(model.levels))
    np.testing.assert_allclose(got.point, expected.point, rtol=1e-4)
    np.testing.assert_allclose(got.quantiles, expected.quantiles, rtol=1e-4)
    np.testing.assert_array_equal(model.forecast(values, horizon=2).quantiles, got.quantiles[:2])
    if not run.model.recursive:
        with pytest.raises(seqloom_portable.PortableError, match=f"1 to {model.horizon} steps, not 999"):
            model.forecast(values, horizon=999)
    hosted = HostedFolder("", tmp_path / "out", threads=1)
    np.testing.assert_array_equal([step["mean"] for step in hosted.forecast(values.tolist(), horizon)], got.point)
    if not run.model.recursive:
        with pytest.raises(RequestError, match="the horizon is out of range"):
            hosted.forecast(values.tolist(), horizon + 1)
    with pytest.raises(seqloom_portable.PortableError, match="none of them missing"):
        model.forecast(np.array([1.0, np.nan]))


def test_8_bit_weights_of_forecasts_are_measured(tmp_path: Path) -> None:
    path, settings = daily_series(tmp_path, past=True), {"model.hidden_size": 8, "data.past": "heat"}
    run = seqloom.train("forecast", path, model="lstm", updates=3, out=tmp_path / "run", quiet=True, settings=settings)
    exporters["onnx"](run, tmp_path / "out", ExportOptions(int8=True, max_loss=0.5))
    loss = json.loads((tmp_path / "out" / "parity.json").read_text())["int8"]
    assert loss["score"] == "MASE"
    assert loss["float32"] != loss["int8"]


def daily_series(folder: Path, past: bool) -> Path:
    """120 values with a weekly season, and a covariate that is known up to the last of them."""
    path, rng = folder / "series.csv", np.random.default_rng(1)
    times = np.datetime64("2026-01-01") + np.arange(120)
    numbers = np.round(50 + 10 * np.sin(np.arange(120) * 2 * np.pi / 7) + rng.standard_normal(120), 3)
    heats = np.round(rng.standard_normal(120), 3)
    rows = zip(times, numbers, heats, strict=True)
    lines = [f"{time},{value},{heat}" if past else f"{time},{value}" for time, value, heat in rows]
    path.write_text("\n".join(["time,value,heat" if past else "time,value", *lines]) + "\n")
    return path


def forecasts_like_its_run(run: seqloom.Run, path: Path, folder: Path) -> tuple[Any, History]:
    """The exported model, and the series of the file."""
    exporters["onnx"](run, folder, ExportOptions())
    model = seqloom_portable.load(folder)
    history = run.task.panel(run.trained, str(path)).history(0)  # type: ignore[attr-defined]
    covariates = [history.past] if history.past.size and getattr(model, "past_columns", 1) else []
    got = model.forecast(history.values, *covariates, name=history.name)
    expected = list(run.forecast(path))
    np.testing.assert_allclose(got.point, [row.mean for row in expected], rtol=1e-5)
    np.testing.assert_allclose(got.quantiles, [row.quantiles for row in expected], rtol=1e-5)
    assert len(expected) == model.horizon
    return model, history


@pytest.mark.parametrize(
    ("name", "past"),
    [(name, False) for name in ("naive", "seasonal-naive", "drift", "ridge", "ar", "ets", "theta")]
    + [("drift", True), ("ridge", True)],
)
def test_forecasts_in_closed_form_need_no_graphs(name: str, past: bool, tmp_path: Path) -> None:
    if name in ("ets", "theta"):
        pytest.importorskip("statsforecast")
    path = daily_series(tmp_path, past)
    settings = {"data.horizon": 9, **({"data.past": "heat"} if past else {}), "calibrate": name != "ets"}  # it is slow
    run = seqloom.train("forecast", path, model=name, out=tmp_path / "run", threads=1, quiet=True, settings=settings)
    model, history = forecasts_like_its_run(run, path, tmp_path / "out")
    if name == "ridge":
        with pytest.raises(seqloom_portable.PortableError, match="1 to 9 steps, not 10"):
            model.forecast(history.values, history.past, horizon=10)
    else:
        assert len(model.forecast(history.values, horizon=30).point) == 30
    if not model.past_columns:
        hosted = HostedFolder("", tmp_path / "out", threads=1)
        got = [step["mean"] for step in hosted.forecast(history.values.tolist(), 0)]
        np.testing.assert_array_equal(got, model.forecast(history.values).point)


def test_mixtures_weigh_their_parts(tmp_path: Path) -> None:
    path = daily_series(tmp_path, past=True)
    settings = {"data.horizon": 4, "model.hidden_size": 8, "mixture.classics": "ar,seasonal-naive"}
    settings |= {"data.past": "heat"}
    run = seqloom.train(
        "forecast", path, model="mix", updates=3, out=tmp_path / "run", threads=1, quiet=True, settings=settings
    )
    assert (run.model.weights > 0).all()
    model, history = forecasts_like_its_run(run, path, tmp_path / "out")
    with pytest.raises(seqloom_portable.PortableError, match="1 to 4 steps, not 5"):
        model.forecast(history.values, history.past, horizon=5)


def test_options_of_autoregressions_leave_with_them(tmp_path: Path) -> None:
    path = daily_series(tmp_path, past=False)
    settings = {"model.combine": False, "model.transform": "log", "model.criterion": "bic", "model.max_lags": 3}
    run = seqloom.train("forecast", path, model="ar", out=tmp_path / "run", threads=1, quiet=True, settings=settings)
    forecasts_like_its_run(run, path, tmp_path / "out")


def test_without_the_library_statistical_models_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("statsforecast")
    path = daily_series(tmp_path, past=False)
    run = seqloom.train("forecast", path, model="theta", out=tmp_path / "run", threads=1, quiet=True)
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    model = seqloom_portable.load(tmp_path / "out")
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(seqloom_portable.PortableError, match=r"seqloom-portable\[forecast\]"):
        model.forecast(np.arange(20.0))
    with pytest.raises(RequestError, match="needs the library statsforecast"):
        list(run.forecast(path))
