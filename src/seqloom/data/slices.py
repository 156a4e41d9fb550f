"""A text in slices of whole lines: for models that read it as it lies, without padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from seqloom.data.batch import Batch
from seqloom.data.token_file import TokenFile


@dataclass(frozen=True)
class SliceLoader:
    """Whole lines, about `tokens_at_once` of them in a batch of one row; a longer line is a batch of its own."""

    tokens: TokenFile
    tokens_at_once: int = 1 << 16

    def _bounds(self) -> list[int]:
        ends, bounds = self.tokens.offsets, [0]
        while bounds[-1] < self.tokens.num_lines:
            last = int(np.searchsorted(ends, ends[bounds[-1]] + self.tokens_at_once, side="right")) - 1
            bounds.append(max(last, bounds[-1] + 1))
        return bounds

    def num_steps(self, epoch: int = 0) -> int:  # noqa: ARG002
        return len(self._bounds()) - 1

    def batch(self, epoch: int, step: int) -> Batch:  # noqa: ARG002
        first, last = self._bounds()[step : step + 2]
        ids = self.tokens.ids[self.tokens.offsets[first] : self.tokens.offsets[last]]
        row = torch.from_numpy(ids.astype(np.int64))[None]
        return Batch(row, row)
