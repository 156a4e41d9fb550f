"""Conditional random fields: the score of a chain of tags, the sum over all chains, the best chain."""
