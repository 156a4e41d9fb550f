"""Base classes of models in closed form: fitted to each series, or recomputed at each origin."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqloom.config import Settings
from seqloom.data.series.panel import History, SeriesData
from seqloom.data.series.recipe import SeriesCodec
from seqloom.errors import SeqloomError
from seqloom.models.fitted import FittedInOnePass
from seqloom.models.forecasting.calibration import NEUTRAL, Factors, factors_on
from seqloom.models.forecasting.forecast import Forecast
from seqloom.storage.arrays import map_arrays, write_arrays


class LocalForecaster(FittedInOnePass):
    """A model in closed form, whose intervals are calibrated on the validation data."""

    settings: ClassVar[type[Settings]]
    calibration_forecasts = 4_000

    def __init__(self, settings: Any, calibrate: bool) -> None:
        self.options, self.calibrate = settings, calibrate
        self.period = 1
        self.factors: Factors = NEUTRAL

    def fit(self, train: SeriesData, valid: SeriesData, codec: SeriesCodec) -> None:
        self.period = codec.period
        self.learn(valid if valid.panel is train.panel else train, codec.horizon)
        if self.calibrate:
            self.factors = factors_on(self, valid, codec.horizon)

    def learn(self, data: SeriesData, horizon: int) -> None:
        """Fits each series up to the end of its part of `data`."""

    @abstractmethod
    def forecasts(
        self, histories: Sequence[History], horizon: int, *, seed: int = 1, paths: int = 0, refit: bool = True
    ) -> Iterator[Forecast]: ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fitted numbers, as they are saved."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None: ...

    def data_sizes(self) -> dict[str, int]:
        return {"period": self.period}

    def num_parameters(self) -> int:
        return 0

    def save(self, folder: Path) -> None:
        shared = {"period": np.array([self.period], np.int64), "factors": self.factors}
        write_arrays(folder / "model.safetensors", shared | self.arrays(), {})

    def open(self, folder: Path) -> None:
        """Raises SeqloomError if the arrays are not those that `save` writes."""
        path = folder / "model.safetensors"
        arrays = map_arrays(path)
        try:
            if nan := [name for name, array in arrays.items() if np.isnan(array).any()]:
                raise ValueError(f"NaN in {', '.join(nan)}")
            self.period, self.factors = int(arrays["period"][0]), np.array(arrays["factors"], np.float64)
            if self.factors.shape != NEUTRAL.shape:
                raise ValueError(f"{self.factors.size} factors")
            self.restore(arrays)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise SeqloomError("the saved model is damaged", where=str(path), got=repr(error)) from None


class QuantileForecaster(LocalForecaster):
    """A model that forecasts the quantiles of each history by itself; sample paths are drawn from them."""

    def forecasts(
        self,
        histories: Sequence[History],
        horizon: int,
        *,
        seed: int = 1,
        paths: int = 0,
        refit: bool = True,  # noqa: ARG002
    ) -> Iterator[Forecast]:
        for number, history in enumerate(histories):
            yield self.forecast(history, horizon).with_normal_paths(paths, seed + number)

    @abstractmethod
    def forecast(self, history: History, horizon: int) -> Forecast:
        """The forecast of the `horizon` steps after the history."""
