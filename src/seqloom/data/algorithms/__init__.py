"""Algorithms that a model learns from examples, one file each: the inputs and the expected outputs."""

from __future__ import annotations

from seqloom.data.algorithms.algorithm import Algorithm
from seqloom.registry import Registry

algorithms: Registry[type[Algorithm]] = Registry("algorithm", __name__)
