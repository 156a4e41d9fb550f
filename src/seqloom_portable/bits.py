"""Networks that predict bits, one output for each input (the task `algorithm`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.engine import Arrays
from seqloom_portable.folder import Folder


class BitPredictor:
    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.engine = folder.engine("model", threads)

    def probabilities(
        self, inputs: NDArray[np.float32], lengths: NDArray[np.int64] | None = None, state: Arrays | None = None
    ) -> tuple[NDArray[np.float32], Arrays]:
        """p(bit) (batch, time, bits) for `inputs` (batch, time, size), and the state."""
        batch, time, _ = inputs.shape
        sizes = np.full(batch, time, np.int64) if lengths is None else lengths
        before = self.engine.first_state(batch) if state is None else state
        outputs, state = self.engine(inputs=np.asarray(inputs, np.float32), lengths=sizes, **before)
        return (1 / (1 + np.exp(-outputs["logits"]))).astype(np.float32), state
