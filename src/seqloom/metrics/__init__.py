"""Scores of a model's outputs against references, independent of models."""
