"""ONNX graphs, built node by node from the parameters of a network: nothing is traced, so nothing is frozen."""
