"""One autoregression in closed form: its transformation and differences, coefficients, forecasts and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.closed_form import LARGEST_LOG
from seqloom_portable.least_squares import CRITERIA, INTERPRETED, Kernels, Matrix, Vector


class Candidate(NamedTuple):
    """The specification of an autoregression.

    `power`: 1 for the values themselves, 0.5 for square roots, 0 for logarithms (Box and Cox 1964, without the shift).
    `season`: seasonal effects among the regressors. `seasonal_lags`: the lags of one and two periods come first in the
    order in which lags are added.
    """

    power: float = 1.0
    differences: int = 0
    seasonal_differences: int = 0
    trend: bool = False
    season: bool = False
    seasonal_lags: bool = False

    @property
    def text(self) -> str:
        words = {1.0: "", 0.5: "square roots", 0.0: "logarithms"}[self.power]
        parts = [
            words,
            "differences" if self.differences else "",
            "seasonal differences" if self.seasonal_differences else "",
            "trend" if self.trend else "",
            "season" if self.season else "",
        ]
        return ", ".join(part for part in parts if part) or "levels"

    def steps_lost(self, period: int) -> int:
        """Steps at the start that have no difference."""
        return self.differences + self.seasonal_differences * period


def transform(values: Vector, power: float) -> Vector:
    return np.log(values) if power == 0 else np.sqrt(values) if power == 0.5 else values


def invert(values: Matrix, power: float) -> Matrix:
    if power == 0:
        return np.exp(np.minimum(values, LARGEST_LOG))
    return np.maximum(values, 0.0) ** 2 if power == 0.5 else values


@dataclass(frozen=True)
class Fit:
    """A candidate fitted to a series of `steps` values. `coefficients`: those of `columns` fixed regressors, then those
    of `lags`; `factor`: the Cholesky factor of their Gram matrix, None for a fit that was loaded from a file. `past`
    (origins, horizon): what it forecast at earlier origins, each time fitted to what came before."""

    candidate: Candidate
    period: int
    steps: int
    center: float
    columns: int
    lags: NDArray[np.int64]
    coefficients: Vector
    factor: Matrix | None
    variance: float
    criterion: float
    past: Matrix
    kernels: Kernels = INTERPRETED

    @property
    def order(self) -> int:
        return len(self.lags)

    @property
    def window(self) -> int:
        """The values that it needs to forecast the next."""
        return self.candidate.steps_lost(self.period) + int(self.lags.max(initial=0))

    def errors(self) -> Vector:
        """The standard error of each coefficient; NaN for a fit that was loaded from a file."""
        if self.factor is None:
            return np.full(len(self.coefficients), np.nan)
        inverse = np.linalg.inv(self.factor)
        return np.sqrt(self.variance * (inverse**2).sum(0))

    def autoregressive(self) -> Vector:
        """(longest lag,): phi_1, phi_2, .. with zeros for the lags that are not in the model."""
        phi = np.zeros(int(self.lags.max(initial=0)))
        phi[self.lags - 1] = self.coefficients[self.columns :]
        return phi

    def roots(self) -> NDArray[np.complex128]:
        """The roots of z^p - phi_1 z^(p-1) - .. - phi_p, the largest modulus first. The process is stationary if
        all lie inside the unit circle; a complex pair is a cycle of 2 pi / angle steps."""
        roots = np.roots(np.concatenate([[1.0], -self.autoregressive()])).astype(np.complex128)
        return roots[np.argsort(-np.abs(roots), kind="stable")]

    def residuals(self, values: Vector) -> Vector:
        """Errors of the one-step forecasts on the transformed scale, from the first step on that has all its lags. The
        coefficients are not refitted."""
        _, series, fixed = self._regression(values, 0)
        first = int(self.lags.max(initial=0))
        return series[first:] - self.kernels.regress(series, self.lags, fixed, first, len(series)) @ self.coefficients

    def forecast(self, values: Vector, horizon: int) -> Vector:
        """(horizon,): the forecast without noise; for a transformed series it is the median."""
        levels, series, fixed = self._regression(values, horizon)
        ahead, no_noise = fixed[len(series) :], np.zeros(horizon)
        future = self.kernels.extend(series, levels, self._polynomial(), ahead, self.lags, self.coefficients, no_noise)
        return invert(future + self.center, self.candidate.power)

    def paths(self, values: Vector, horizon: int, count: int, rng: np.random.Generator) -> Matrix:
        """(count, horizon): sample paths after `values`. The coefficients and the variance of the noise are drawn from
        their posterior under a flat prior (Zellner 1971, chapter 3), the noise from the residuals."""
        levels, series, fixed = self._regression(values, horizon)
        residuals = self.residuals(values)
        degrees_of_freedom = max(self.steps - self.window - len(self.coefficients), 2)
        noise_scale = np.sqrt(self.variance * degrees_of_freedom / rng.chisquare(degrees_of_freedom, count))
        scale = np.sqrt((residuals**2).mean()) if len(residuals) else 0.0
        noise = rng.choice(residuals / scale, (count, horizon)) if scale > 0 else np.zeros((count, horizon))
        directions = rng.standard_normal((count, len(self.coefficients)))
        factor = np.eye(len(self.coefficients)) if self.factor is None else self.factor
        future = self.kernels.simulate(
            levels, series, self._polynomial(), fixed[len(series) :], self.lags, self.coefficients, factor, noise_scale,
            directions * (self.factor is not None), noise,
        )  # fmt: skip
        return invert(future + self.center, self.candidate.power)

    def _regression(self, values: Vector, horizon: int) -> tuple[Vector, Vector, Matrix]:
        return regression(values, self.candidate, self.period, horizon, self.steps, self.center, self.kernels)

    def _polynomial(self) -> Vector:
        candidate = self.candidate
        return self.kernels.difference_polynomial(candidate.differences, candidate.seasonal_differences, self.period)


def regression(
    values: Vector, candidate: Candidate, period: int, horizon: int, length: int, center: float, kernels: Kernels
) -> tuple[Vector, Vector, Matrix]:
    """The transformed levels, their differences, and the fixed regressors of these and of `horizon` more steps."""
    levels = transform(values, candidate.power) - center
    series = kernels.difference(levels, candidate.differences, candidate.seasonal_differences, period)
    first = candidate.steps_lost(period)
    fixed = kernels.fixed_regressors(first, len(values) + horizon, candidate.trend, candidate.season, period, length)
    return levels, series, fixed


_CONSECUTIVE_LAGS = 36
"""The longest of the consecutive lags; those of one and two seasons may be longer."""


def lags_of(candidate: Candidate, period: int, max_lags: int) -> NDArray[np.int64]:
    """Up to `max_lags` lags, in the order in which they are added."""
    seasonal = (1, period, period + 1, 2 * period, 2 * period + 1) if candidate.seasonal_lags else ()
    others = [lag for lag in range(1, min(max_lags, _CONSECUTIVE_LAGS) + 1) if lag not in seasonal]
    return np.array([*seasonal, *others][:max_lags], dtype=np.int64)


def fit(
    values: Vector,
    candidate: Candidate,
    period: int,
    horizon: int,
    origins: NDArray[np.int64],
    max_lags: int,
    criterion: str = "hqc",
    kernels: Kernels = INTERPRETED,
) -> Fit | None:
    """None if the series is too short for the candidate. `origins`: ascending past origins, from which the fit also
    makes forecasts; at each it is fitted to the values before."""
    columns = 1 + candidate.trend + (period - 1) * candidate.season
    rows = int(origins.min(initial=len(values))) - candidate.steps_lost(period)
    if rows < columns + 4:
        return None
    center = 0.0 if candidate.steps_lost(period) else float(transform(values, candidate.power).mean())
    levels, series, fixed = regression(values, candidate, period, horizon, len(values), center, kernels)
    lags = lags_of(candidate, period, max(min(max_lags, (rows - columns - 3) // 3), 0))
    lags = lags[lags < (rows - columns) // 2]
    ends = np.append(origins, len(values)).astype(np.int64)
    polynomial = kernels.difference_polynomial(candidate.differences, candidate.seasonal_differences, period)
    past, order, factor, coefficients, variance, value = kernels.roll(
        levels, series, polynomial, fixed, lags, ends, horizon, CRITERIA.index(criterion)
    )
    past = invert(past + center, candidate.power)
    if not np.isfinite(past).all():
        return None
    return Fit(
        candidate,
        period,
        len(values),
        center,
        columns,
        lags[:order],
        coefficients,
        factor,
        variance,
        value,
        past[:-1],
        kernels,
    )
