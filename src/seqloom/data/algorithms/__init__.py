"""Algorithms that a model is to learn from examples, one file each: what goes in, and what is to come out."""

from __future__ import annotations

from seqloom.data.algorithms.algorithm import Algorithm
from seqloom.registry import Registry

algorithms: Registry[type[Algorithm]] = Registry("algorithm", __name__)
