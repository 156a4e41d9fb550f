"""The search of a trained transcriber: from the log-mel frames of recordings to transcripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from seqloom.data.example import Frames
from seqloom.data.sound.spoken import SpokenCodec
from seqloom.decoding.transcription.attentional import attentional_transcripts
from seqloom.decoding.transcription.transcripts import COMPILED, log_probs_of
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.models.transcriber import Transcriber
from seqloom.models.utterance_svm import UtteranceSvm
from seqloom.nn.layer import evaluating
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.transcribe_language import fusion_of
from seqloom_portable.transcripts import CtcDecoder, LogProbs, Transcript


def log_probs(trained: Trained, rows: Sequence[Frames]) -> Iterator[LogProbs]:
    """Yields the log-probabilities of CTC for each recording; long recordings are read in pieces."""
    settings, model = trained.settings.decoding, trained.model
    step = trained.codec.features.step_seconds
    longest, overlap = (int(seconds / step) for seconds in (settings.segment_seconds, settings.overlap_seconds))
    if model.causal:
        longest = 0  # it carries all that it needs from step to step
    with evaluating(model):
        yield from log_probs_of(model.ctc_log_probs, rows, trained.device, longest, overlap)


def recogniser(
    trained: Trained, options: Mapping[str, Any]
) -> Callable[[Sequence[Frames]], Iterator[list[Transcript]]]:
    """A function that yields the transcripts of recordings, given their log-mel frames. The search, with its language
    model and its words, is built once."""
    model, codec = trained.model, cast(SpokenCodec, trained.codec)
    if isinstance(model, UtteranceSvm):
        n_best = options.get("n_best", 1)
        return lambda log_mels: (model.ranked(log_mel, n_best) for log_mel in log_mels)
    decoder = decoder_of(trained, options)
    longest = int(trained.settings.decoding.segment_seconds / decoder.step_seconds)

    def transcripts(log_mels: Sequence[Frames]) -> Iterator[list[Transcript]]:
        rows = [codec.frames(log_mel) for log_mel in log_mels]
        if isinstance(model, AttentionalTranscriber):
            return attentional_transcripts(model, rows, decoder, trained.device, longest)
        return map(decoder.transcripts, log_probs(trained, rows))

    return transcripts


def decoder_of(trained: Trained, options: Mapping[str, Any]) -> CtcDecoder:
    n_best = options.get("n_best", 1)
    beam_size = max(options.get("beam_size", trained.settings.decoding.beam_size), n_best)
    fusion = None if beam_size == 1 or not isinstance(trained.model, Transcriber) else fusion_of(trained)
    codec: SpokenCodec = trained.codec
    pause = trained.settings.decoding.pause_seconds
    return CtcDecoder(codec.tokenizer, codec.features.step_seconds, beam_size, n_best, fusion, pause, COMPILED)
