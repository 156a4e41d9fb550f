"""The networks of the task `forecast`: settings, presets, building, loaders and loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import create_model
from torch import Tensor

from seqloom.config import Settings
from seqloom.data.batches import Batch
from seqloom.data.corpus import Corpus
from seqloom.data.series.panel import SeriesData
from seqloom.data.series.recipe import SeriesCodec, SeriesRecipe
from seqloom.data.series.windows import WindowLoader
from seqloom.errors import RequestError, SeqloomError
from seqloom.models.forecasting.calibration import factors_on
from seqloom.models.forecasting.mixture import ForecastMixture, MixtureSettings
from seqloom.models.forecasting.network import ForecastNetwork, Sizes, WindowSettings, context_of, sizes_of
from seqloom.nn.layer import SequenceLayer, layers
from seqloom.registry import Description
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.forecast_settings import ForecastSettings
from seqloom.tasks.network_task import Loss

_ROWS = 512
_MAX_VALID_WINDOWS = 4_000
"""The approximate number of validation windows whose loss is computed during training."""

_TRAINING: dict[str, Any] = {
    "training.learning_rate": 3e-3,
    "training.weight_decay": 0.01,
    "training.clip_norm": 1.0,
    "training.precision": "float32",
    "training.average": 0.99,
    "training.evaluations": 10,
}
_BY_LAYER: dict[str, dict[str, Any]] = {
    "ffnn": {"model.order": 2, "model.hidden_size": 128, "model.num_layers": 2, "window.segment": 10_000},
    "ar": {"model.order": 2, "window.segment": 10_000},
    "nnlm": {"model.order": 2, "window.segment": 10_000},
    "transformer": {"model.model_dim": 64, "model.num_layers": 2, "model.feed_forward_size": 128},
    "tcn": {"model.hidden_size": 64, "model.num_layers": 4, "model.kernel_size": 3},
    "ntm": {"model.hidden_size": 64, "model.memory_size": 16},
}
_RECURRENT: dict[str, Any] = {"model.hidden_size": 96, "model.num_layers": 1}

MIXTURE = "mix"
"""The mixture of a GRU and classical models."""


def networks() -> list[str]:
    """All causal layers but `ar`, which is the name of the model in closed form."""
    return [name for name in layers if layers[name].causal and name != "ar"]


def models() -> list[str]:
    return [MIXTURE, *networks()]


def _layer(model: str) -> type[SequenceLayer]:
    return layers["gru" if model == MIXTURE else model]


def describe(model: str) -> Description:
    return Description.of(ForecastMixture if model == MIXTURE else _layer(model))


def settings_of(model: str) -> type[Settings]:
    settings = _layer(model).settings
    mixture: dict[str, Any] = {"mixture": (MixtureSettings, MixtureSettings())} if model == MIXTURE else {}
    return create_model(
        "ForecastSettings",
        __base__=ForecastSettings,
        window=(WindowSettings, WindowSettings()),
        model=(settings, settings()),
        **mixture,
    )


def preset_of(model: str) -> Mapping[str, Any]:
    fields = _layer(model).settings.model_fields
    values = _BY_LAYER.get(model, _RECURRENT)
    return _TRAINING | {name: value for name, value in values.items() if _has(name, fields)}


def _has(name: str, fields: Mapping[str, Any]) -> bool:
    group, _, last = name.partition(".")
    return group != "model" or last in fields


def build(corpus: Corpus[Any, Any], model: str, settings: Any) -> ForecastNetwork | ForecastMixture:
    train: SeriesData = corpus.train
    codec: Any = corpus.codec
    sizes = sizes_of(settings.window, codec, train.is_positive())
    return _with_classics(ForecastNetwork(_layer(model), settings.model, settings.window, sizes), model, settings)


def rebuild(tensors: Mapping[str, Tensor], model: str, settings: Any) -> ForecastNetwork | ForecastMixture:
    sizes = Sizes(*tensors["network.sizes" if model == MIXTURE else "sizes"].tolist())
    if min(sizes) < 0 or max(sizes) > 1 << 24:
        raise SeqloomError("the saved weights are damaged", where="sizes", got=sizes)
    return _with_classics(ForecastNetwork(_layer(model), settings.model, settings.window, sizes), model, settings)


def _with_classics(network: ForecastNetwork, model: str, settings: Any) -> ForecastNetwork | ForecastMixture:
    return ForecastMixture(network, settings.mixture) if model == MIXTURE else network


def train_loader(corpus: Corpus[Any, Any], settings: Any, seed: int) -> WindowLoader:
    return _loader(corpus.train, settings, settings.window.batch_size, seed, 1)


def exact_loader(data: SeriesData, settings: Any) -> WindowLoader:
    """All origins, or every few of much data."""
    horizon = SeriesRecipe(settings.data).horizon(data.panel)
    return _loader(data, settings, _ROWS, None, max(1, data.num_origins(horizon) // _MAX_VALID_WINDOWS))


def _loader(data: SeriesData, settings: Any, batch_size: int, seed: int | None, step: int) -> WindowLoader:
    horizon, context = SeriesRecipe(settings.data).horizon(data.panel), context_of(settings.window, data.panel.period)
    # The scale of a window with few values is unreliable, and its loss would outweigh all others.
    for min_history in (min(context, max(2 * data.panel.period, 8)), 2):
        loader = WindowLoader(data, context, horizon, batch_size, seed, step, min_history)
        if len(loader):
            return loader
    raise RequestError("no series has a whole horizon to train on", got=f"a horizon of {horizon}")


def loss(model: ForecastNetwork | ForecastMixture, batch: Batch) -> Loss:
    """Counted in steps ahead."""
    rows = model.loss(batch)
    if batch.scored is not None:
        rows = rows[batch.scored[:, 0]]
    return Loss(rows.sum(), rows.new_tensor(len(rows) * batch.targets.shape[1]).long())


def finish(trained: Trained, valid: SeriesData) -> None:
    """Fits the weights of a mixture and calibrates, on the validation data."""
    codec: SeriesCodec = trained.codec
    if isinstance(trained.model, ForecastMixture):
        trained.model.fit_weights(valid, codec.horizon)
    if trained.settings.calibrate:
        trained.model.factors = factors_on(trained.model, valid, codec.horizon)
