"""The model `ridge`: linear maps from windows to all steps ahead, shared by all series, in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.series.panel import History, SeriesData, Vector
from seqloom.data.series.recipe import SeriesCodec
from seqloom.errors import RequestError
from seqloom.models.forecasting.calibration import factors_on
from seqloom.models.forecasting.forecast import DEVIATES, MEDIAN, Forecast
from seqloom.models.forecasting.linear_maps import Map, NormalEquations, Shape, blocks
from seqloom.models.forecasting.local import QuantileForecaster
from seqloom.models.forecasting.stacking import stacked
from seqloom_portable.closed_form import averaged

_PERIODS = (1, 2, 3, 4, 8, 14, 21)
"""Lengths of the windows that are compared, in periods."""

_STEPS = (4, 8, 12, 24, 48)
"""Lengths of the windows, in steps, for series without a season."""

_STRENGTHS = (1e-4, 3e-3, 3e-2, 0.15, 0.6)
"""Penalties that are compared, relative to the mean square of the regressors."""


class RidgeSettings(Settings):
    context: int = Field(0, ge=0, le=10_000, description="steps in a window; 0: selected on the validation data")
    transform: Literal["auto", "none", "log"] = Field(
        "auto", description="transformation of the values; auto: selected on the validation data"
    )
    covariate_steps: int = Field(0, ge=0, le=10_000, description="steps of past covariates; 0: two periods")


class _Candidate(NamedTuple):
    """A map that is fitted to the training data with a penalty of this `strength`: its `equations` there, and its
    `error` on the validation data."""

    fitted: Map
    equations: NormalEquations
    strength: float
    error: float


class Ridge(QuantileForecaster):
    """y_{T+1..T+H} = W x_T + b on windows minus their last value, divided by the scale of the series.

    Maps of several windows and transformations are averaged, with shares that minimise the squared error on the
    validation data (stacked regressions, Breiman 1996); the penalty of each is selected there too. Then the maps are
    fitted to both parts.
    """

    description = "Linear maps from windows to the horizon, the same for all series, in closed form."
    source = "Hoerl and Kennard 1970; Breiman 1996"
    settings: ClassVar[type[Settings]] = RidgeSettings

    def __init__(self, settings: RidgeSettings, calibrate: bool) -> None:
        super().__init__(settings, calibrate)
        self.maps: list[Map] = []

    def fit(self, train: SeriesData, valid: SeriesData, codec: SeriesCodec) -> None:
        self.period = codec.period
        selected = self._select(train, valid, codec)
        self.maps = [candidate.fitted for candidate in selected]
        if self.calibrate:
            self.factors = factors_on(self, valid, codec.horizon)
        if valid.panel is train.panel:
            self.maps = [self._refitted(candidate, valid) for candidate in selected]

    def _select(self, train: SeriesData, valid: SeriesData, codec: SeriesCodec) -> list[_Candidate]:
        """The best candidate of each window and transformation, and of these the ones with a share in the forecast."""
        best = [self._best(shape, train, valid) for shape in self._shapes(train, codec)]
        best = [candidate for candidate in best if np.isfinite(candidate.error)]
        if not best:
            raise RequestError("no series has a window and a horizon to learn from", expected="longer series")
        shares = stacked([candidate.fitted for candidate in best], valid, self.period)
        return [
            candidate._replace(fitted=replace(candidate.fitted, share=share))
            for candidate, share in zip(best, shares, strict=True)
            if share
        ]

    def _best(self, shape: Shape, train: SeriesData, valid: SeriesData) -> _Candidate:
        """The candidate with the best penalty."""
        equations, candidates = NormalEquations.of(train, shape, self.period), []
        for strength in _STRENGTHS:
            fitted = Map(shape, equations.weights(strength), np.zeros(0))
            error, deviation = _error(fitted, valid, self.period)
            candidates.append(_Candidate(replace(fitted, deviation=deviation), equations, strength, error))
        return min(candidates, key=lambda candidate: candidate.error)

    def _refitted(self, candidate: _Candidate, valid: SeriesData) -> Map:
        """The map fitted to the training and the validation data."""
        held_out = NormalEquations.of(valid, candidate.fitted.shape, self.period)
        return replace(candidate.fitted, weights=candidate.equations.plus(held_out).weights(candidate.strength))

    def _shapes(self, train: SeriesData, codec: SeriesCodec) -> Iterator[Shape]:
        automatic = (False, True) if train.is_positive() else (False,)
        logs = {"auto": automatic, "none": (False,), "log": (True,)}[self.options.transform]
        longest = int(np.quantile(train.last, 0.9)) // 2
        sizes = [n * codec.period for n in _PERIODS] if codec.period > 1 else list(_STEPS)
        contexts = [self.options.context] if self.options.context else [s for s in sizes if s <= longest] or [sizes[0]]
        covariates = (self.options.covariate_steps or 2 * codec.period) if codec.past else 0
        for context in contexts:
            for log in logs:
                yield Shape(context, codec.horizon, log, min(context, covariates))

    def forecast(self, history: History, horizon: int) -> Forecast:
        """The quantiles are averaged over the maps, by their shares. Raises RequestError for a horizon longer than that
        of the training."""
        trained = self.maps[0].shape.horizon
        if horizon > trained:
            raise RequestError(
                "the model forecasts all steps at once, no more than it was trained for", got=horizon, expected=trained,
                hint="train with --set data.horizon=..",
            )  # fmt: skip
        maps = [fitted.portable() for fitted in self.maps]
        quantiles = averaged(maps, history.values, history.past, self.period, horizon, DEVIATES)
        return Forecast(quantiles[:, MEDIAN], quantiles)

    def num_parameters(self) -> int:
        return sum(fitted.weights.size for fitted in self.maps)

    def arrays(self) -> dict[str, NDArray[Any]]:
        shapes = [(m.shape.context, m.shape.horizon, int(m.shape.log), m.shape.covariate_steps) for m in self.maps]
        weights = {f"weights.{number}": fitted.weights for number, fitted in enumerate(self.maps)}
        deviation = np.stack([fitted.deviation for fitted in self.maps])
        shares = np.array([fitted.share for fitted in self.maps])
        return {"shapes": np.array(shapes, np.int64), "deviation": deviation, "shares": shares, **weights}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        sizes = arrays["shapes"].astype(np.int64).tolist()
        shares = arrays.get("shares", np.ones(len(sizes)))  # older runs average with equal shares
        if not sizes or shares.shape != (len(sizes),) or not (shares > 0).all():
            raise ValueError(f"{len(sizes)} maps with the shares {shares.tolist()}")
        self.maps = [
            _checked(
                Map(
                    Shape(context, horizon, bool(log), covariate_steps),
                    np.array(arrays[f"weights.{number}"]),
                    np.array(arrays["deviation"][number]),
                    float(shares[number]),
                )
            )
            for number, (context, horizon, log, covariate_steps) in enumerate(sizes)
        ]


def _checked(saved: Map) -> Map:
    """The map. Raises ValueError if its arrays do not have its shape."""
    shape, regressors = saved.shape, len(saved.weights) if saved.weights.ndim else 0
    if (
        min(shape.context, shape.horizon, shape.covariate_steps + 1) < 1
        or max(shape.context, shape.covariate_steps) >= regressors
        or saved.weights.shape != (regressors, shape.horizon)
        or saved.deviation.shape != (shape.horizon,)
    ):
        raise ValueError(f"weights of shape {saved.weights.shape} for {shape}")
    return saved


def _error(fitted: Map, valid: SeriesData, period: int) -> tuple[float, Vector]:
    """The mean absolute error on the validation data, relative to each series' scale; and the standard deviation of the
    errors at each step, on the map's scale: half the distance between their 16 % and 84 % quantiles, which is robust to
    a few outlying series."""
    distances, errors = [], []
    for windows in blocks(valid, fitted.shape, period):
        error, relative = fitted.errors(windows)
        errors.append(error.astype(np.float32))
        distances.append(np.abs(relative).mean(1))
    if not distances:
        return np.inf, np.zeros(fitted.shape.horizon)
    low, high = np.quantile(np.concatenate(errors), [0.16, 0.84], axis=0)
    return float(np.concatenate(distances).mean()), ((high - low) / 2).astype(np.float64)
