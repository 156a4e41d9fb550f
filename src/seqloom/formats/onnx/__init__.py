"""ONNX graphs, built node by node from the parameters of a network; nothing is traced, so no shape is constant."""
