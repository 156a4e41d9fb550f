"""Means and odds of probabilities that are given by their logarithms."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_mean(log_probs: Tensor) -> Tensor:
    """The logarithm of the mean of the probabilities along the first axis."""
    return log_probs.logsumexp(0) - math.log(len(log_probs))


def log_odds(log_probs: Tensor) -> Tensor:
    """log(p / (1 - p))."""
    return log_probs - torch.log(-torch.expm1(log_probs.clamp(max=-1e-12)))
