"""The settings of autoregressions, and their least squares, compiled."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seqloom.compiling import compiled_functions
from seqloom.config import Settings
from seqloom_portable import least_squares
from seqloom_portable.combination import Options
from seqloom_portable.least_squares import Kernels

_FUNCTIONS = compiled_functions(least_squares)

COMPILED = Kernels(**{name: _FUNCTIONS[name] for name in Kernels._fields})
"""The same functions that an exported model runs interpreted."""


class AutoregressionSettings(Settings):
    combine: bool = Field(
        True,
        description="average all candidates, weighted by their inverse squared past errors; otherwise the best one",
    )
    transform: Literal["auto", "none", "log", "sqrt"] = Field(
        "auto", description="transformation of the values before differencing"
    )
    differences: Literal["auto", 0, 1] = Field("auto", description="order of differencing")
    seasonal_differences: Literal["auto", 0, 1] = Field("auto", description="order of seasonal differencing")
    trend: Literal["auto", True, False] = Field("auto", description="include a linear trend as a regressor")
    season: Literal["auto", True, False] = Field("auto", description="include seasonal effects as regressors")
    max_lags: int = Field(
        0, ge=0, le=1_000, description="the most lags, of which the criterion selects; 0: two seasons, or 20"
    )
    criterion: Literal["aicc", "hqc", "bic"] = Field("hqc", description="the information criterion for the order")
    origins: int = Field(24, gt=0, le=1_000, description="past origins at which the candidates are compared")

    def specification(self) -> Options:
        return Options(**self.model_dump())
