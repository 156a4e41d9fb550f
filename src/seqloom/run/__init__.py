"""Runs: what a training depends on, how it is started or resumed, and how its trained model is used."""

from seqloom.run.plan import make_settings, settings_type
from seqloom.run.run import Run, load
from seqloom.run.start import train

__all__ = ["Run", "load", "make_settings", "settings_type", "train"]
