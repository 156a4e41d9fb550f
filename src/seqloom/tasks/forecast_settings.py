"""The settings that all models of the task `forecast` share."""

from __future__ import annotations

from pydantic import Field

from seqloom.config import Settings
from seqloom.data.series_recipe import SeriesSettings
from seqloom.tasks.capabilities import FittedSettings


class ForecastSettings(Settings):
    data: SeriesSettings = SeriesSettings()
    calibrate: bool = Field(
        True, description="move quantiles by what the validation data show, so that intervals cover"
    )


class FittedForecastSettings(FittedSettings, ForecastSettings):
    """Those of a model in closed form."""
