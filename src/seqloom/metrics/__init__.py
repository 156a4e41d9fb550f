"""Scores of what a model has put out against what was wanted: text in, numbers out. Knows no model."""
