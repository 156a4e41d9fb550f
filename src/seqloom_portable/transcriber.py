"""Transcribers: log-mel frames of sound, a graph to the log-probabilities of CTC, and a search for the words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from seqloom_portable.arrays import map_arrays
from seqloom_portable.batching import padded_source
from seqloom_portable.ctc_beam import Fusion
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.frame_pipeline import FramePipeline
from seqloom_portable.log_mel import Frames, LogMel
from seqloom_portable.sound import samples_of
from seqloom_portable.tokens import TextTokenizer
from seqloom_portable.transcripts import CtcDecoder, LogProbs, Transcript, log_probs_of
from seqloom_portable.word_lexicon import WordLexicon

FUSION_FILE = "words.safetensors"
"""The words that the search knows and their n-gram model."""


class SoundFeatures(NamedTuple):
    """What a network reads of sound; the settings of the run describe each."""

    rate: int
    bands: int
    window_ms: float
    hop_ms: float
    normalise: str
    memory_seconds: float
    deltas: int
    stack: int
    stride: int

    @property
    def step_seconds(self) -> float:
        return self.hop_ms * self.stride / 1_000


class Transcriber:
    """`rate`: samples per second that the model reads; other sound is resampled."""

    has_beam = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, self.settings = folder, folder.manifest["decoding"]
        self._engine = folder.engine("model", threads)
        content = json.loads((folder.path / "features.json").read_text(encoding="utf-8"))
        self.features = SoundFeatures(**content["features"])
        self.rate = self.features.rate
        self._mean, self._deviation = (np.array(content[name], np.float32) for name in ("mean", "deviation"))
        self._log_mel = LogMel(self.features)
        self.tokenizer = TextTokenizer(folder.path / "tokenizer.json")
        self._fusion = self._read_fusion() if folder.manifest["fusion"] else None

    def _read_fusion(self) -> Fusion:
        arrays, facts = map_arrays(self.folder.path / FUSION_FILE), self.folder.manifest["fusion"]
        lexicon = WordLexicon(*(np.array(arrays[f"lexicon.{name}"]) for name in WordLexicon._fields))
        store = [np.array(arrays[name]) for name in ("sizes", "words", "log_probs", "suffix", "backoffs", "begin")]
        return Fusion(lexicon, store, facts["ngram_weight"], facts["word_bonus"], facts["closed"])

    def predict(self, inputs: Sequence[Any], **options: Any) -> list[str]:
        """The best text of each recording; see `answers` for inputs and options."""
        return [answers[0].text for answers in self.answers(inputs, **options)]

    def answers(
        self, inputs: Sequence[Any], beam_size: int | None = None, n_best: int = 1
    ) -> Iterator[list[Transcript]]:
        """Yields the transcripts of each recording, the best first, with the times of words. A recording is the path of
        a file, samples (samples,) at the rate of the model, or samples and their rate. `beam_size`: 1 is greedy,
        without a language model; None is that of the run."""
        width = self.settings["beam_size"] if beam_size is None else beam_size
        if min(width, n_best) < 1:
            raise PortableError(f"beam_size and n_best are 1 or more, not {width} and {n_best}")
        width = max(width, n_best)
        fusion = None if width == 1 else self._fusion
        pause = self.settings["pause_seconds"]
        decoder = CtcDecoder(self.tokenizer, self.features.step_seconds, width, n_best, fusion, pause)
        for number, recording in enumerate(inputs, 1):
            frames = self.frames(samples_of(recording, self.rate, f"input {number}"))
            (log_probs,) = self.log_probs([frames])
            yield decoder.transcripts(log_probs)

    def frames(self, samples: Any) -> Frames:
        """What the network reads of samples at its rate, (steps, size)."""
        pipeline = FramePipeline(self.features, self._mean, self._deviation)
        return pipeline.all_frames(self._log_mel.frames(samples))

    def log_probs(self, rows: Sequence[Frames]) -> Iterator[LogProbs]:
        """Yields (steps, vocab) for each recording: log p of the blank and of each token. Long recordings are read in
        pieces, unless the network reads forward alone."""

        def run(pieces: Sequence[Frames]) -> LogProbs:
            source, lengths = padded_source(pieces)
            return self._engine(source=source, lengths=lengths)[0]["log_probs"]

        step = self.features.step_seconds
        longest, overlap = (int(self.settings[name] / step) for name in ("segment_seconds", "overlap_seconds"))
        yield from log_probs_of(run, rows, 0 if self.settings["causal"] else longest, overlap)
