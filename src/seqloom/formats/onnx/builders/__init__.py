"""The graphs of layers, one file for each family; importing this package registers them with `run_layer`."""

from seqloom.formats.onnx.builders import convolution, ntm, recurrent, transformer, window

__all__ = ["convolution", "ntm", "recurrent", "transformer", "window"]
