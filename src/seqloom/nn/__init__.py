"""Layers behind one contract: `outputs, state = layer(inputs, state)`."""
