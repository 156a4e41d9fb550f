"""The capability of tasks that forecast: series of a file, forecasts, scores from rolling origins, anomalies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from seqloom.tasks.capabilities import Trained

if TYPE_CHECKING:  # these imports are only needed by tasks that implement the capability
    from seqloom.data.series.panel import Panel
    from seqloom.metrics.forecasting import Anomaly, ForecastRow, ForecastScores, ForecastStudy


@runtime_checkable
class Forecasts(Protocol):
    """Forecasts series of numbers in time."""

    def panel(self, trained: Trained, path: str) -> Panel:
        """The series of a file, read as in training."""
        ...

    def forecast(self, trained: Trained, panel: Panel, horizon: int, paths: int, seed: int) -> Iterator[ForecastRow]:
        """The forecast of each series. `horizon` 0: as in training. `paths`: the number of sample paths besides
        quantiles."""
        ...

    def backtest(
        self, trained: Trained, data: Any, *, horizon: int = 0, origins: int = 0, step: int = 0, refit: bool = True
    ) -> ForecastScores:
        """Scores of forecasts from rolling origins; 0 means the settings of the run."""
        ...

    def study(
        self, trained: Trained, data: Any, *, horizon: int = 0, origins: int = 0, step: int = 0, refit: bool = True
    ) -> ForecastStudy:
        """The content of a page: the scores of `backtest` and some of the series."""
        ...

    def anomalies(self, trained: Trained, panel: Panel) -> Iterator[Anomaly]:
        """The probability of each value given those before it."""
        ...
