"""Transcripts of an attention decoder, its hypotheses scored by CTC too where the network was trained with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from seqloom_portable.ctc import CtcHypothesis
from seqloom_portable.log_mel import Frames
from seqloom_portable.targets import Hypothesis
from seqloom_portable.transcripts import CtcDecoder, LogProbs, Transcript, joined, quiet_cuts

TOKENS_PER_STEP = 1.0
"""The largest number of tokens per step of the sound, as with CTC."""

Searched = tuple[Sequence[Hypothesis], LogProbs]
"""The hypotheses of a part of a recording, and the log-probabilities of CTC at its steps."""


def length_penalty(ctc_weight: float) -> float:
    """That of the search: CTC itself makes short texts improbable."""
    return 0.0 if ctc_weight else 1.0


def attentional_transcripts(
    rows: Sequence[Frames],
    search: Callable[[Sequence[Frames]], Iterator[Searched]],
    decoder: CtcDecoder,
    ctc_weight: float,
    longest: int,
) -> Iterator[list[Transcript]]:
    """Yields the transcripts of each recording, best first. Recordings of more steps than `longest` are cut where they
    are quiet, and the best transcripts of their parts are joined."""
    cuts = [quiet_cuts(row, longest) for row in rows]
    parts = [row[a:b] for row, cuts_of_row in zip(rows, cuts, strict=True) for a, b in pairwise(cuts_of_row)]
    searched = search(parts)
    for cuts_of_row in cuts:
        transcripts = [_ranked(*next(searched), decoder, ctc_weight, first_step) for first_step in cuts_of_row[:-1]]
        yield transcripts[0] if len(transcripts) == 1 else [joined([best for best, *_ in transcripts])]


def _ranked(
    hypotheses: Sequence[Hypothesis], log_probs: LogProbs, decoder: CtcDecoder, ctc_weight: float, first_step: int
) -> list[Transcript]:
    """Hypotheses ranked by (1 - w) log p of the decoder + w log p of CTC (Watanabe et al. 2017, equation 13), or by the
    score of the search where w is 0."""
    texts = [hypothesis.token_ids for hypothesis in hypotheses]
    ctc = decoder.loops.text_log_probs(log_probs, texts) if ctc_weight else np.zeros(len(texts))
    scored = []
    for hypothesis, of_ctc in zip(hypotheses, ctc, strict=True):
        of_decoder = hypothesis.log_prob if ctc_weight else hypothesis.score
        score = (1 - ctc_weight) * of_decoder + ctc_weight * float(of_ctc)
        scored.append(CtcHypothesis(hypothesis.token_ids, hypothesis.log_prob, score))
    scored.sort(key=lambda hypothesis: -hypothesis.score)
    return [decoder.with_times(hypothesis, log_probs, first_step) for hypothesis in scored[: decoder.n_best]]
