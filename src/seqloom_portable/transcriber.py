"""Transcribers: graphs from frames of sound to log-probabilities, and a search for the words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from seqloom_portable.arrays import map_arrays
from seqloom_portable.attentional import TOKENS_PER_STEP, Searched, attentional_transcripts, length_penalty
from seqloom_portable.batching import padded_source
from seqloom_portable.ctc_beam import Fusion
from seqloom_portable.engine import Arrays
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.listening import Listener
from seqloom_portable.log_mel import Frames
from seqloom_portable.search import Search
from seqloom_portable.sound import ResampledStream
from seqloom_portable.sound_reader import SoundReader
from seqloom_portable.specials import UNK
from seqloom_portable.tokens import open_tokenizer
from seqloom_portable.transcripts import CtcDecoder, LogProbs, Transcript, log_probs_of
from seqloom_portable.transducer import Transducer, batches
from seqloom_portable.word_lexicon import WordLexicon

FUSION_FILE = "words.safetensors"
"""The words that the search knows and their n-gram model."""

_RECORDINGS_AT_ONCE = 32
"""Of which the frames are held."""


class _Network:
    """What transcribers share. `rate`: samples per second that the network reads; other sound is resampled."""

    has_beam = True

    def __init__(self, folder: Folder) -> None:
        self.folder, self.settings = folder, folder.manifest["decoding"]
        self.reader = SoundReader(folder.path)
        self.features, self.rate = self.reader.features, self.reader.features.rate
        self.tokenizer = open_tokenizer(folder.path / "tokenizer.json")

    def predict(self, inputs: Sequence[Any], **options: Any) -> list[str]:
        """The best text of each recording; see `answers` for inputs and options."""
        return [answers[0].text for answers in self.answers(inputs, **options)]

    def answers(
        self, inputs: Sequence[Any], beam_size: int | None = None, n_best: int = 1
    ) -> Iterator[list[Transcript]]:
        """Yields the transcripts of each recording, the best first, with the times of words. A recording is the path of
        a file, samples (samples,) at the rate of the model, or samples and their rate. `beam_size`: 1 is greedy,
        without a language model; None is that of the run."""
        decoder = self.decoder(beam_size, n_best)
        rows = (
            self.reader.frames(self.reader.log_mel_of(recording, f"input {number}"))
            for number, recording in enumerate(inputs, 1)
        )
        while window := list(itertools.islice(rows, _RECORDINGS_AT_ONCE)):
            yield from self.transcripts(window, decoder)

    def decoder(self, beam_size: int | None = None, n_best: int = 1) -> CtcDecoder:
        """How log-probabilities of CTC become transcripts."""
        width = self.settings["beam_size"] if beam_size is None else beam_size
        if min(width, n_best) < 1:
            raise PortableError(f"beam_size and n_best are 1 or more, not {width} and {n_best}")
        width, pause = max(width, n_best), self.settings["pause_seconds"]
        return CtcDecoder(self.tokenizer, self.features.step_seconds, width, n_best, self.fusion(width), pause)

    def fusion(self, beam_size: int) -> Fusion | None:  # noqa: ARG002
        return None

    def transcripts(self, rows: Sequence[Frames], decoder: CtcDecoder) -> Iterator[list[Transcript]]:
        """Yields the transcripts of each recording, given its frames."""
        raise NotImplementedError

    def steps(self, setting: str) -> int:
        """A time of the settings, in steps of the network."""
        return int(self.settings[setting] / self.features.step_seconds)


class Transcriber(_Network):
    """Writes by CTC alone."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        super().__init__(folder)
        self._engine = folder.engine("model", threads)
        self._fusion = self._read_fusion() if folder.manifest["fusion"] else None

    def _read_fusion(self) -> Fusion:
        arrays, facts = map_arrays(self.folder.path / FUSION_FILE), self.folder.manifest["fusion"]
        lexicon = WordLexicon(*(np.array(arrays[f"lexicon.{name}"]) for name in WordLexicon._fields))
        store = [np.array(arrays[name]) for name in ("sizes", "words", "log_probs", "suffix", "backoffs", "begin")]
        return Fusion(lexicon, store, facts["ngram_weight"], facts["word_bonus"], facts["closed"])

    def fusion(self, beam_size: int) -> Fusion | None:
        return None if beam_size == 1 else self._fusion

    def transcripts(self, rows: Sequence[Frames], decoder: CtcDecoder) -> Iterator[list[Transcript]]:
        return map(decoder.transcripts, self.log_probs(rows))

    def log_probs(self, rows: Sequence[Frames]) -> Iterator[LogProbs]:
        """Yields (steps, vocab) for each recording: log p of the blank and of each token. Long recordings are read in
        pieces, unless the network reads forward alone."""

        def run(pieces: Sequence[Frames]) -> LogProbs:
            source, lengths = padded_source(pieces)
            return self._engine(source=source, lengths=lengths, **self._engine.first_state(len(pieces)))[0]["log_probs"]

        longest = 0 if self.settings["causal"] else self.steps("segment_seconds")
        yield from log_probs_of(run, rows, longest, self.steps("overlap_seconds"))

    def listen(self, rate: int = 0) -> Listener:
        """What takes sound in parts, at this rate or at that of the model, and gives the words heard in them. Raises
        PortableError if the model needs later sound, or for a rate that is out of range."""
        if not self._engine.state or self.features.normalise == "recording":
            raise PortableError(
                "the model needs the whole recording; one that reads forward alone, such as gru, lstm or tcn, with "
                "features.normalise=running, hears sound as it comes (a folder of such a model that was exported by an "
                "earlier version needs to be exported again)"
            )

        rate = rate or self.rate
        if not 1_000 <= rate <= 768_000:
            raise PortableError(f"the rate of the sound is 1,000 to 768,000 samples per second, not {rate:,}")

        def step(frames: Frames, state: Arrays) -> tuple[LogProbs, Arrays]:
            lengths = np.array([len(frames)], np.int64)
            outputs, state = self._engine(source=frames[None], lengths=lengths, **state)
            return outputs["log_probs"][0], state

        reader, resampler = self.reader, ResampledStream(rate, self.rate)
        state = self._engine.first_state(1)
        return Listener(step, state, resampler, reader.log_mel, reader.pipeline(), self.decoder())


class AttentionalTranscriber(_Network):
    """Writes with a decoder that attends to the sound; CTC scores its hypotheses too, if the network has learnt it."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        super().__init__(folder)
        self._transducer = Transducer(folder, threads)

    def transcripts(self, rows: Sequence[Frames], decoder: CtcDecoder) -> Iterator[list[Transcript]]:
        weight, width = self.settings["ctc_weight"], decoder.beam_size
        options = Search(width, width, length_penalty(weight), max_ratio=TOKENS_PER_STEP, never=(UNK,))

        def search(parts: Sequence[Frames]) -> Iterator[Searched]:
            searched: dict[int, Searched] = {}
            for places in batches(parts, options):
                batch = [parts[place] for place in places]
                encoded, first = self._transducer.encode(batch)
                log_probs = encoded.pop("log_probs")
                hypotheses = self._transducer.search_encoded(batch, encoded, first, options)
                for row, place in enumerate(places):
                    searched[place] = hypotheses[row], log_probs[row, : len(parts[place])]
            return (searched[place] for place in range(len(parts)))

        return attentional_transcripts(rows, search, decoder, weight, self.steps("segment_seconds"))
