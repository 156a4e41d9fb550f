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
from seqloom_portable.targets import Hypothesis
from seqloom_portable.transcripts import CtcDecoder, LogProbs, Transcript, joined, quiet_cuts

_TOKENS_PER_STEP = 1.0
"""The largest number of tokens per step of the sound, as with CTC."""


@torch.inference_mode()
def attentional_transcripts(
    model: AttentionalTranscriber, rows: Sequence[Frames], decoder: CtcDecoder, device: torch.device, longest: int
) -> Iterator[list[Transcript]]:
    """Yields the transcripts of each recording, best first, searched in batches of similar length. Recordings of more
    steps than `longest` are cut where they are quiet, and the best transcripts of their parts are joined."""
    penalty = 0.0 if model.ctc_weight else 1.0  # CTC itself makes short texts improbable
    search = Search(decoder.beam_size, decoder.beam_size, penalty, max_ratio=_TOKENS_PER_STEP, never=(UNK,))
    cuts = [quiet_cuts(row, longest) for row in rows]
    parts = [row[a:b] for row, cuts_of_row in zip(rows, cuts, strict=True) for a, b in pairwise(cuts_of_row)]
    with evaluating(model):
        hypotheses = transduce(model, parts, search, device=device)
        log_probs = log_probs_of(model.ctc_log_probs, parts, device)
        for cuts_of_row in cuts:
            transcripts = [
                _transcripts(next(hypotheses), next(log_probs), model.ctc_weight, decoder, first_step)
                for first_step in cuts_of_row[:-1]
            ]
            yield transcripts[0] if len(transcripts) == 1 else [joined([best for best, *_ in transcripts])]


def _transcripts(
    hypotheses: Sequence[Hypothesis], log_probs: LogProbs, ctc_weight: float, decoder: CtcDecoder, first_step: int
) -> list[Transcript]:
    """The transcripts of a part of a recording that begins at `first_step`, in the order of the joint score."""
    scored = []
    for hypothesis in hypotheses:
        ctc = ctc_log_prob(log_probs, hypothesis.token_ids) if ctc_weight else 0.0
        score = (1 - ctc_weight) * (hypothesis.log_prob if ctc_weight else hypothesis.score)
        scored.append(CtcHypothesis(hypothesis.token_ids, hypothesis.log_prob, score + ctc_weight * ctc))
    scored.sort(key=lambda hypothesis: -hypothesis.score)
    return [decoder.with_times(hypothesis, log_probs, first_step) for hypothesis in scored[: decoder.n_best]]


def ctc_log_prob(log_probs: LogProbs, token_ids: Sequence[int]) -> float:
    """log p(text | sound) over all alignments; -1e30 where there are too few steps for the text."""
    targets, steps = torch.tensor([list(token_ids) or [BLANK]]), torch.tensor([len(log_probs)])
    lengths = torch.tensor([len(token_ids)])
    nats = F.ctc_loss(torch.from_numpy(log_probs)[:, None], targets, steps, lengths, BLANK, reduction="sum")
    return -min(float(nats), 1e30)
