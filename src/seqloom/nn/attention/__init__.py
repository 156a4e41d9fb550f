"""Attention: alignment scores for recurrent decoders, and multi-head attention for Transformers."""
