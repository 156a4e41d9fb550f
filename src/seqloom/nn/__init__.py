"""Layers with one contract: `outputs, state = layer(inputs, state)`."""
