"""Transcripts of an attention decoder, its hypotheses scored by CTC too where the network has been trained with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch.nn import functional as F

from seqloom.data.example import Frames
from seqloom.data.tokenizer import UNK
from seqloom.decoding.search_options import Search
from seqloom.decoding.transcription.transcripts import log_probs_of
from seqloom.decoding.transduce import transduce
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.nn.layer import evaluating
from seqloom_portable.ctc import BLANK, CtcHypothesis
from seqloom_portable.transcripts import CtcDecoder, LogProbs, Transcript, joined, quiet_cuts

_TOKENS_PER_STEP = 1.0
"""The largest number of tokens per step of the sound, as with CTC."""


@torch.inference_mode()
def attentional_transcripts(
    model: AttentionalTranscriber, rows: Sequence[Frames], decoder: CtcDecoder, device: torch.device, longest: int
) -> Iterator[list[Transcript]]:
    """Yields the transcripts of each recording, best first. Recordings of more steps than `longest` are cut where they
    are quiet, and the best transcripts of their parts are joined."""
    with evaluating(model):
        for row in rows:
            cuts = quiet_cuts(row, longest)
            parts = [_of_part(model, row[a:b], decoder, device, a) for a, b in pairwise(cuts)]
            yield parts[0] if len(parts) == 1 else [joined([best for best, *_ in parts])]


def _of_part(
    model: AttentionalTranscriber, row: Frames, decoder: CtcDecoder, device: torch.device, first_step: int
) -> list[Transcript]:
    penalty = 0.0 if model.ctc_weight else 1.0  # CTC itself makes short texts improbable
    search = Search(decoder.beam_size, decoder.beam_size, penalty, max_ratio=_TOKENS_PER_STEP, never=(UNK,))
    (hypotheses,) = transduce(model, [row], search, device=device)
    (log_probs,) = log_probs_of(model.ctc_log_probs, [row], device)
    scored = []
    for hypothesis in hypotheses:
        ctc = ctc_log_prob(log_probs, hypothesis.token_ids) if model.ctc_weight else 0.0
        score = (1 - model.ctc_weight) * (hypothesis.log_prob if model.ctc_weight else hypothesis.score)
        scored.append(CtcHypothesis(hypothesis.token_ids, hypothesis.log_prob, score + model.ctc_weight * ctc))
    scored.sort(key=lambda hypothesis: -hypothesis.score)
    return [decoder.with_times(hypothesis, log_probs, first_step) for hypothesis in scored[: decoder.n_best]]


def ctc_log_prob(log_probs: LogProbs, token_ids: Sequence[int]) -> float:
    """log p(text | sound) over all alignments; -1e30 where there are too few steps for the text."""
    targets, steps = torch.tensor([list(token_ids) or [BLANK]]), torch.tensor([len(log_probs)])
    lengths = torch.tensor([len(token_ids)])
    nats = F.ctc_loss(torch.from_numpy(log_probs)[:, None], targets, steps, lengths, BLANK, reduction="sum")
    return -min(float(nats), 1e30)
