"""The log-probabilities of CTC of recordings, and the loops of its searches, compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from seqloom.compiling import compiled_functions
from seqloom.data.example import Frames
from seqloom.decoding.batching import padded_source
from seqloom.models.ngram import query
from seqloom_portable import ctc, ctc_beam, transcripts
from seqloom_portable.ctc import BLANK
from seqloom_portable.transcripts import LogProbs, Loops


def text_log_probs(log_probs: LogProbs, texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """(texts,): the same as `seqloom_portable.ctc.text_log_probs`."""
    lengths = torch.tensor([len(text) for text in texts])
    targets = torch.full((len(texts), max(int(lengths.max()), 1)), BLANK)
    for row, text in zip(targets, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    rows = torch.from_numpy(log_probs)[:, None].expand(-1, len(texts), -1)
    nats = F.ctc_loss(rows, targets, torch.full_like(lengths, len(log_probs)), lengths, BLANK, reduction="none")
    return -nats.clamp(max=1e30).double().numpy()


COMPILED = Loops(
    compiled_functions(ctc_beam, query.COMPILED)["search"],
    compiled_functions(ctc)["best_states"],
    text_log_probs,
)
"""The functions that an exported transcriber runs interpreted."""


@torch.inference_mode()
def log_probs_of(
    model: Callable[..., torch.Tensor], rows: Sequence[Frames], device: torch.device, longest: int = 0, overlap: int = 0
) -> Iterator[LogProbs]:
    """Yields the log-probabilities of each recording; see `seqloom_portable.transcripts.log_probs_of`."""

    def run(pieces: Sequence[Frames]) -> LogProbs:
        frames, lengths = padded_source(pieces)
        return model(frames.to(device), lengths.to(device)).cpu().numpy()

    yield from transcripts.log_probs_of(run, rows, longest, overlap)
