"""The settings of all models of the task `forecast`."""

from __future__ import annotations

from pydantic import Field

from seqloom.config import Settings
from seqloom.data.series.recipe import SeriesSettings
from seqloom.models.fitted import FittedSettings


class ForecastSettings(Settings):
    data: SeriesSettings = SeriesSettings()
    calibrate: bool = Field(True, description="conformal calibration on the validation data, so that intervals cover")


class FittedForecastSettings(FittedSettings, ForecastSettings):
    """The settings of models in closed form."""
