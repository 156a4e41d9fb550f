"""The log-probabilities of CTC of recordings, and the loops of its searches, compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from seqloom.compiling import compiled_functions
from seqloom.data.example import Frames
from seqloom.decoding.batching import padded_source
from seqloom.models.ngram import query
from seqloom_portable import ctc, ctc_beam, transcripts
from seqloom_portable.transcripts import LogProbs, Loops

COMPILED = Loops(
    compiled_functions(ctc_beam, query.COMPILED)["search"],
    compiled_functions(ctc)["best_states"],
)
"""The same functions that an exported transcriber runs interpreted."""


@torch.inference_mode()
def log_probs_of(
    model: Callable[..., torch.Tensor], rows: Sequence[Frames], device: torch.device, longest: int = 0, overlap: int = 0
) -> Iterator[LogProbs]:
    """Yields the log-probabilities of each recording; see `seqloom_portable.transcripts.log_probs_of`."""

    def run(pieces: Sequence[Frames]) -> LogProbs:
        frames, lengths = padded_source(pieces)
        return model(frames.to(device), lengths.to(device)).cpu().numpy()

    yield from transcripts.log_probs_of(run, rows, longest, overlap)
