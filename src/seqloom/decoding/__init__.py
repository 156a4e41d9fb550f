"""Answers of a trained model: generated tokens, classes, tags, vectors, and scores of given texts."""
