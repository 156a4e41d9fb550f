"""Transcripts of an attention decoder, searched by the network itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from seqloom.data.example import Frames
from seqloom.data.tokenizer import UNK
from seqloom.decoding.search_options import Search
from seqloom.decoding.transcription.transcripts import log_probs_of
from seqloom.decoding.transduce import transduce
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.nn.layer import evaluating
from seqloom_portable import attentional
from seqloom_portable.attentional import TOKENS_PER_STEP, Searched, length_penalty
from seqloom_portable.transcripts import CtcDecoder, Transcript


@torch.inference_mode()
def attentional_transcripts(
    model: AttentionalTranscriber, rows: Sequence[Frames], decoder: CtcDecoder, device: torch.device, longest: int
) -> Iterator[list[Transcript]]:
    """Yields the transcripts of each recording, searched in batches of similar length; see
    `seqloom_portable.attentional.attentional_transcripts`."""
    width, penalty = decoder.beam_size, length_penalty(model.ctc_weight)
    options = Search(width, width, penalty, max_ratio=TOKENS_PER_STEP, never=(UNK,))

    def search(parts: Sequence[Frames]) -> Iterator[Searched]:
        hypotheses = transduce(model, parts, options, device=device)
        return zip(hypotheses, log_probs_of(model.ctc_log_probs, parts, device), strict=True)

    with evaluating(model):
        yield from attentional.attentional_transcripts(rows, search, decoder, model.ctc_weight, longest)
