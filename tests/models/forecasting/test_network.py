"""Networks over windows: any scale, any distribution, every layer; equal however they are asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import seqloom
from seqloom.data.series.panel import all_steps
from seqloom.data.series.windows import WindowLoader, history_batch, window_batch
from seqloom.models.forecasting.distributions import DISTRIBUTIONS
from seqloom.models.forecasting.forecast import LEVELS, MEDIAN
from seqloom.models.forecasting.network import ForecastNetwork, Sizes, WindowSettings
from seqloom.nn.layer import layers
from seqloom.tasks import tasks
from seqloom.tasks.forecast_networks import networks
from tests.models.forecasting.test_autoregression import panel_of
from tests.support.small_runs import signal_after

SIZES = Sizes(horizon=3, context=8, segment=1, past=0, ahead=0, static=0, log=0, season=4)


def network(name: str = "gru", sizes: Sizes = SIZES, **window: object) -> ForecastNetwork:
    settings = layers[name].settings
    small = {n: 8 for n in ("hidden_size", "model_dim", "memory_size") if n in settings.model_fields}
    if "order" in settings.model_fields:
        small["order"] = 3
    return ForecastNetwork(layers[name], settings(**small), WindowSettings.model_validate(window), sizes).eval()


def test_windows_of_a_panel_and_of_a_history_are_the_same() -> None:
    panel = panel_of(np.arange(20.0), np.arange(100.0, 105.0))
    batch = window_batch(panel, np.array([0, 1]), np.array([12, 3]), 8, 2)
    assert batch.targets.tolist() == [[12, 13], [103, 104]]
    assert batch.inputs[1, :, 0].tolist() == [100, 100, 100, 100, 100, 100, 101, 102]
    assert batch.inputs[1, :, 1].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    histories = [panel.history(0, 12), panel.history(1, 3)]
    assert torch.equal(history_batch(histories, 8, 2).inputs, batch.inputs)


def test_an_epoch_has_every_window_once_in_an_order_of_its_seed() -> None:
    data = all_steps(panel_of(np.arange(20.0), np.arange(100.0, 109.0), np.zeros(3)))
    loader = WindowLoader(data, 4, 3, 7, seed=1)
    seen = [target for step in range(loader.num_steps()) for target in loader.batch(0, step).targets[:, 0].tolist()]
    assert sorted(seen) == [*range(2, 18), *range(102, 107)]
    again = WindowLoader(data, 4, 3, 7, seed=1)
    assert torch.equal(again.batch(3, 1).targets, loader.batch(3, 1).targets)
    assert not torch.equal(loader.batch(1, 0).targets, loader.batch(2, 0).targets)


@pytest.mark.parametrize("name", networks())
def test_every_layer_forecasts_series_of_any_scale_alike(name: str) -> None:
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.standard_normal(12))
    panel, forecaster = panel_of(values, 1e6 + 1e4 * values, 1e-5 * values), network(name, shortcut=False)
    forecasts = list(forecaster.forecasts([panel.history(number) for number in range(3)], 3))
    first = forecasts[0].quantiles - values[-1]
    assert forecasts[1].quantiles == pytest.approx(1e6 + 1e4 * (values[-1] + first), rel=1e-4)
    assert forecasts[2].quantiles == pytest.approx(1e-5 * (values[-1] + first), rel=1e-2, abs=1e-7)


def test_an_untrained_network_with_a_shortcut_is_near_the_seasonal_naive_forecast() -> None:
    forecaster = network()
    torch.nn.init.zeros_(forecaster.output.weight)
    torch.nn.init.zeros_(forecaster.output.bias)
    values = np.array([1.0, 5.0, 2.0, 9.0, 1.5, 5.5, 2.5, 9.5])
    (forecast,) = forecaster.forecasts([panel_of(values).history(0)], 3)
    assert forecast.point == pytest.approx([1.5, 5.5, 2.5], abs=1e-4)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions_have_ascending_quantiles_and_a_loss_that_the_truth_makes_small(name: str) -> None:
    forecaster = DISTRIBUTIONS[name]()
    targets = torch.full((200, 1), 4.0)
    outputs = torch.zeros(200, 1, forecaster.size, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], 0.1)
    before = float(forecaster.loss(outputs, targets).detach().mean())
    for _ in range(150):
        optimizer.zero_grad()
        forecaster.loss(outputs, targets).mean().backward()
        optimizer.step()
    assert float(forecaster.loss(outputs, targets).detach().mean()) < before
    quantiles = forecaster.quantiles(outputs.detach())
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert quantiles[:, 0, MEDIAN] == pytest.approx(np.full(200, 4.0), abs=1.0)
    assert forecaster.sample(outputs.detach(), np.random.default_rng(0)).shape == (200, 1)


def test_a_direct_network_refuses_to_look_further_and_a_recursive_one_does_not() -> None:
    history = panel_of(np.arange(12.0)).history(0)
    with pytest.raises(seqloom.errors.RequestError, match="no more than it was trained for"):
        list(network().forecasts([history], 4))
    (forecast,) = network(horizons="recursive").forecasts([history], 7, paths=5)
    assert forecast.quantiles.shape == (7, len(LEVELS))
    assert forecast.paths is not None
    assert forecast.paths.shape == (5, 7)


@pytest.mark.parametrize("horizons", ["direct", "recursive"])
def test_no_two_series_of_a_large_panel_share_their_sample_paths(
    horizons: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqloom.models.forecasting.network._ROWS", 2)
    panel = panel_of(*[np.arange(12.0)] * 3)
    histories = [panel.history(number) for number in range(3)]
    first, _, third = network(horizons=horizons).forecasts(histories, 3, paths=5)
    assert first.paths is not None
    assert third.paths is not None
    assert not np.allclose(first.paths[:, 0], third.paths[:, 0])


def seasonal(folder: Path, series: int = 6, steps: int = 60) -> Path:
    rng, path = np.random.default_rng(3), folder / "series.csv"
    lines = ["id,t,value,promo"]
    for number in range(series):
        for t in range(steps):
            promo = int(rng.random() < 0.3)
            value = 20 + 5 * np.sin(t * np.pi / 2) + 8 * promo + rng.standard_normal()
            lines.append(f"s{number},{t},{value:.3f},{promo}")
    path.write_text("\n".join(lines) + "\n")
    return path


SETTINGS = {"data.period": 4, "data.horizon": 4, "model.hidden_size": 8, "training.evaluations": 2}


def test_a_run_that_is_opened_forecasts_the_same(tmp_path: Path) -> None:
    path = seasonal(tmp_path)

    run = seqloom.train(
        "forecast", path, model="gru", updates=12, out=tmp_path / "whole", quiet=True, settings=SETTINGS
    )
    assert {"mase", "crps", "coverage_80"} <= run.summary["test"].keys()
    opened = seqloom.load(tmp_path / "whole")
    rows = [(row.time, row.mean) for row in opened.forecast()]
    assert len(rows) == 6 * 4
    assert rows == [(row.time, row.mean) for row in run.forecast()]
    assert opened.evaluate(path) == pytest.approx(run.summary["test"])


def test_covariates_known_ahead_are_used(tmp_path: Path) -> None:
    path = seasonal(tmp_path, series=12, steps=100)
    errors = {}
    for ahead in ("", "promo"):
        settings = {**SETTINGS, "data.ahead": [ahead] if ahead else [], "data.target": ["value"]}
        run = seqloom.train(
            "forecast", path, model="ffnn", updates=400, out=tmp_path / (ahead or "without"), quiet=True,
            settings={n: v for n, v in settings.items() if n != "model.hidden_size"} | {"model.hidden_size": 32},
        )  # fmt: skip
        errors[ahead] = run.summary["test"]["mae"]
    assert errors["promo"] < 0.9 * errors[""]


def test_the_task_names_no_model_twice() -> None:
    models = tasks["forecast"].models()
    assert len(models) == len(set(models))
    assert {"ar", "ridge", "gru", "lstm", "ffnn", "tcn", "transformer", "naive"} <= set(models)


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = seasonal(tmp_path)

    def train(name: str, resume: bool = False) -> seqloom.Run:
        return seqloom.train(
            "forecast", path, model="gru", updates=12, out=tmp_path / name, quiet=True, settings=SETTINGS, resume=resume
        )

    expected = train("whole").model.state_dict()
    with monkeypatch.context() as patch:
        signal_after(patch, 5)
        assert not train("stopped").summary["finished"]
    resumed = train("stopped", resume=True).model.state_dict()
    for name, tensor in expected.items():
        assert torch.equal(resumed[name], tensor), name
