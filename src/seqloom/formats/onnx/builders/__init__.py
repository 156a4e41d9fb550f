"""The graphs of layers, a file a family; importing this makes them known to `run_layer`."""

from seqloom.formats.onnx.builders import convolution, ntm, recurrent, transformer, window

__all__ = ["convolution", "ntm", "recurrent", "transformer", "window"]
