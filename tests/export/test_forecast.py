"""Every network that forecasts leaves with its quantiles, or is told which setting helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
import seqloom_portable
from seqloom.data.series.panel import History
from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.export.onnx.networks import graphs_of
from seqloom.export.options import ExportOptions
from seqloom.models.forecasting.network import ForecastNetwork, Sizes, WindowSettings
from seqloom.nn.layer import layers
from seqloom.tasks.forecast_networks import networks
from tests.contract.test_layers import SMALL
from tests.export.test_networks import away_from_zero, passes

SIZES = Sizes(horizon=4, context=14, segment=3, past=1, ahead=2, static=1, log=0, season=5)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"distribution": "gaussian"},
    {"level": "mean", "shortcut": False},
    {"level": "none"},
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


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"horizons": "recursive"}, "window.horizons=direct"), ({"distribution": "student-t"}, "window.distribution")],
)
def test_what_is_no_graph_is_refused_with_the_setting_that_helps(options: dict[str, Any], setting: str) -> None:
    with pytest.raises(RequestError) as refused:
        graphs_of(build("gru", **options))
    assert setting in str(refused.value)


def test_a_folder_forecasts_like_its_run(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("step,value\n" + "".join(f"{t},{t % 5 + 0.1 * t}\n" for t in range(80)))
    settings = {"model.hidden_size": 8}
    run = seqloom.train(
        "forecast", path, model="lstm", updates=3, out=tmp_path / "run", threads=1, quiet=True, settings=settings
    )
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    model = seqloom_portable.load(tmp_path / "out")
    values = np.array([t % 5 + 0.1 * t for t in range(80)])
    history = History("", 0, values, np.zeros((80, 0)), np.zeros((80, 0)), np.zeros(0))
    (expected,) = run.model.forecasts([history], model.horizon)
    got = model.forecast(values)
    assert got.quantiles.shape == (model.horizon, len(model.levels))
    np.testing.assert_allclose(got.point, expected.point, rtol=1e-5)
    with pytest.raises(seqloom_portable.PortableError, match="none of them missing"):
        model.forecast(np.array([1.0, np.nan]))
