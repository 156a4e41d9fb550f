"""Runs the models that Seqloom exports, without torch: `load(folder)`, then predict, score, generate, embed."""

from seqloom_portable.errors import PortableError
from seqloom_portable.loading import load
from seqloom_portable.sampling import Sampling

__all__ = ["PortableError", "Sampling", "load"]
