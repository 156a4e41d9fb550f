"""Output distributions of forecasting networks: quantiles, Gaussian, Student t, negative binomial."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.models.forecasting.forecast import DEVIATES, LEVELS
from seqloom_portable.quantiles import sample

_SMALL = 1e-4


class Distribution(nn.Module):
    """A distribution on the scale of the window, with `size` parameters for each step ahead."""

    size: ClassVar[int]
    of_counts: ClassVar[bool] = False
    """Whether it is a distribution of the unscaled values, which are whole numbers."""

    @abstractmethod
    def loss(
        self, outputs: Float[Tensor, "*batch steps size"], targets: Float[Tensor, "*batch steps"]
    ) -> Float[Tensor, "*batch steps"]: ...

    @abstractmethod
    def quantiles(self, outputs: Float[Tensor, "*batch steps size"]) -> NDArray[np.float64]:
        """(.., steps, levels), at `LEVELS`."""

    def sample(self, outputs: Float[Tensor, "*batch steps size"], rng: np.random.Generator) -> NDArray[np.float64]:
        """(.., steps): one sample of each, from its quantiles."""
        return sample(self.quantiles(outputs), LEVELS, rng)


class Quantiles(Distribution):
    """The quantiles at `LEVELS`, sorted, by their pinball loss (Koenker and Bassett 1978)."""

    size = len(LEVELS)

    def __init__(self) -> None:
        super().__init__()
        self.levels: Tensor
        self.register_buffer("levels", torch.tensor(LEVELS), persistent=False)

    def loss(
        self, outputs: Float[Tensor, "*batch steps size"], targets: Float[Tensor, "*batch steps"]
    ) -> Float[Tensor, "*batch steps"]:
        over = targets[..., None] - outputs.sort(-1).values
        return torch.maximum(self.levels * over, (self.levels - 1) * over).mean(-1)

    def quantiles(self, outputs: Float[Tensor, "*batch steps size"]) -> NDArray[np.float64]:
        return outputs.sort(-1).values.double().cpu().numpy()


class Gaussian(Distribution):
    """A mean and a standard deviation, by their negative log-likelihood."""

    size = 2

    def loss(
        self, outputs: Float[Tensor, "*batch steps size"], targets: Float[Tensor, "*batch steps"]
    ) -> Float[Tensor, "*batch steps"]:
        deviation = F.softplus(outputs[..., 1]) + _SMALL
        return deviation.log() + 0.5 * ((targets - outputs[..., 0]) / deviation) ** 2

    def quantiles(self, outputs: Float[Tensor, "*batch steps size"]) -> NDArray[np.float64]:
        mean = outputs[..., 0].double().cpu().numpy()
        deviation = (F.softplus(outputs[..., 1]) + _SMALL).double().cpu().numpy()
        return mean[..., None] + deviation[..., None] * DEVIATES


class StudentT(Distribution):
    """A location, a scale and more than two degrees of freedom, by their negative log-likelihood."""

    size = 3

    def _parts(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return outputs[..., 0], F.softplus(outputs[..., 1]) + _SMALL, 2 + F.softplus(outputs[..., 2])

    def loss(
        self, outputs: Float[Tensor, "*batch steps size"], targets: Float[Tensor, "*batch steps"]
    ) -> Float[Tensor, "*batch steps"]:
        location, scale, freedom = self._parts(outputs)
        density: Any = torch.distributions.StudentT(freedom, location, scale, validate_args=False)
        return -density.log_prob(targets)

    def quantiles(self, outputs: Float[Tensor, "*batch steps size"]) -> NDArray[np.float64]:
        from scipy.special import stdtrit  # slow to import, and the other distributions do not need it

        location, scale, freedom = (part.double().cpu().numpy()[..., None] for part in self._parts(outputs))
        return location + scale * stdtrit(freedom, LEVELS)


class NegativeBinomial(Distribution):
    """The logarithm of a mean and a dispersion of counts, by their negative log-likelihood; the variance is
    m + a m^2."""

    size = 2
    of_counts = True

    @staticmethod
    def moments(outputs: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the dispersion."""
        return outputs[..., 0].clamp(-10, 15).exp(), F.softplus(outputs[..., 1]) + _SMALL

    def loss(
        self, outputs: Float[Tensor, "*batch steps size"], targets: Float[Tensor, "*batch steps"]
    ) -> Float[Tensor, "*batch steps"]:
        mean, dispersion = self.moments(outputs)
        total = 1 / dispersion
        return -(
            torch.lgamma(targets + total) - torch.lgamma(total) - torch.lgamma(targets + 1)
            + total * torch.log(total / (total + mean)) + targets * torch.log(mean / (total + mean))
        )  # fmt: skip

    def quantiles(self, outputs: Float[Tensor, "*batch steps size"]) -> NDArray[np.float64]:
        from scipy.stats import nbinom  # slow to import, and the other distributions do not need it

        mean, dispersion = (part.double().cpu().numpy()[..., None] for part in self.moments(outputs))
        total = 1 / dispersion
        return nbinom.ppf(np.array(LEVELS), total, total / (total + mean))


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "quantiles": Quantiles,
    "gaussian": Gaussian,
    "student-t": StudentT,
    "negative-binomial": NegativeBinomial,
}
