"""Runs: what a training depends on, how it is started or gone on with, and what can be asked of it afterwards."""

from seqloom.run.plan import make_settings, settings_type
from seqloom.run.run import Run, load
from seqloom.run.start import train

__all__ = ["Run", "load", "make_settings", "settings_type", "train"]
