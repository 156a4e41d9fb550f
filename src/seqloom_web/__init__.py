"""ONNX Runtime for web pages: the files of onnxruntime-web 1.30.0, unchanged but for compression (MIT licence)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Runtime(NamedTuple):
    """`script`: the JavaScript module; `wasm`: the WebAssembly, compressed by gzip; `license`: that of both."""

    script: bytes
    wasm: bytes
    license: str


def runtime() -> Runtime:
    folder = Path(__file__).parent
    return Runtime(
        (folder / "ort.wasm.bundle.min.mjs").read_bytes(),
        (folder / "ort-wasm-simd-threaded.wasm.gz").read_bytes(),
        (folder / "ONNXRUNTIME_LICENSE").read_text(encoding="utf-8"),
    )
