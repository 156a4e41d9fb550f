"""Transcribing sound as it comes: everything that later sound depends on is carried from part to part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqloom_portable.ctc import BLANK, utterances
from seqloom_portable.frame_pipeline import FramePipeline
from seqloom_portable.log_mel import Frames, LogMel, Samples
from seqloom_portable.sound import ResampledStream
from seqloom_portable.transcripts import CtcDecoder, LogProbs, Transcript


class Heard(NamedTuple):
    """`utterances` that have ended with the last part of the sound; `partial`: the words so far of the one that has
    not, which may still change."""

    utterances: list[Transcript]
    partial: str


class Listener:
    """Takes sound in parts, however they are cut, and hears in them what `CtcDecoder.transcripts` hears in the whole.

    Only of a network that reads forward. What it carries: the resampler, the samples of a frame that is not complete,
    the sums of the running mean, the frames of a stack that is not full, the state of the network, and the outputs of
    the utterance that has not ended."""

    def __init__(
        self,
        step: Callable[[Frames, Any], tuple[LogProbs, Any]],
        state: Any,
        resampler: ResampledStream,
        log_mel: LogMel,
        pipeline: FramePipeline,
        decoder: CtcDecoder,
    ) -> None:
        """`step`: the network, from the next frames and a state to log-probabilities (steps, vocab) and the state after
        them; `state`: the first."""
        self._step, self._state = step, state
        self._resampler, self._log_mel = resampler, log_mel.stream()
        self._pipeline, self._decoder = pipeline, decoder
        self._log_probs: LogProbs | None = None
        self._first_step = 0

    def push(self, samples: Samples) -> Heard:
        """Hears more sound: (samples,) of one channel, from -1 to 1."""
        return self._hear(samples, last=False)

    def finish(self) -> Heard:
        """Ends the sound; the last utterance ends too."""
        return self._hear(np.zeros(0, np.float32), last=True)

    def _hear(self, samples: Samples, last: bool) -> Heard:
        resampled = self._resampler.push(np.ascontiguousarray(samples, np.float32), last)
        frames = self._pipeline.push(self._log_mel.push(resampled))
        if len(frames):
            outputs, self._state = self._step(frames, self._state)
            self._log_probs = outputs if self._log_probs is None else np.concatenate([self._log_probs, outputs])
        return Heard([], "") if self._log_probs is None else self._heard(self._log_probs, last)

    def _heard(self, log_probs: LogProbs, last: bool) -> Heard:
        parts = utterances(log_probs, self._decoder.pause)
        ended = []
        for part in parts:
            last_speech = int(np.flatnonzero(log_probs[part].argmax(1) != BLANK)[-1]) + part.start
            if not last and len(log_probs) - last_speech <= self._decoder.pause:
                break
            ended.append(self._decoder.of_utterance(log_probs[part], self._first_step + part.start)[0])
        unfinished = parts[len(ended) :]
        # Of what is over, the last step stays: the next utterance begins with the step before its first word.
        over = unfinished[0].start if unfinished else max(len(log_probs) - 1, 0)
        self._log_probs, self._first_step = log_probs[over:], self._first_step + over
        partial = self._decoder.of_utterance(self._log_probs[: unfinished[0].stop - over])[0].text if unfinished else ""
        return Heard([transcript for transcript in ended if transcript.text], partial)
