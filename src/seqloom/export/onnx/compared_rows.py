"""The rows that a network and its graphs are compared on: one row and rows of different lengths; one, two and many
elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.export.onnx.gate import Gate
from seqloom_portable.engine import Engine

Engines = Mapping[str, Engine]
Lengths = Sequence[int]

ROWS: Sequence[Lengths] = ([1], [2], [40], [9, 4, 1], [33, 40, 7, 2])


def real_places(lengths: Lengths) -> NDArray[np.bool_]:
    """(batch, longest), False in padding."""
    return np.arange(max(lengths)) < np.array(lengths)[:, None]


def sizes_of(lengths: Lengths) -> NDArray[np.int64]:
    return np.array(lengths, np.int64)


def vocab_of(read: torch.nn.Module) -> int:
    """The number of ids that an input layer knows; 0 if it reads frames."""
    rows = getattr(read, "rows", None)
    if isinstance(rows, Tensor):
        return len(rows)
    tables = [module.num_embeddings for module in read.modules() if isinstance(module, torch.nn.Embedding)]
    return tables[0] if tables else 0


def compare_reading(gate: Gate, engine: Engine, model: Any, source: NDArray[Any], lengths: Lengths) -> None:
    """Compares the encoded sequences: embeddings, outputs and summary."""
    expected = model.reading(torch.from_numpy(source), torch.tensor(list(lengths)))
    outputs, _ = engine(source=source, lengths=sizes_of(lengths))
    real = real_places(lengths)
    for name in ("elements", "outputs"):
        gate.compare(f"{name} for vectors of texts", outputs[name], getattr(expected, name), real)
    gate.compare("summary for vectors of texts", outputs["summary"], expected.summary)
