"""Recordings with their transcripts as data: log-mel frames on disk and token ids, and what a run keeps of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqloom.data.example import Frames
from seqloom.data.frames import FrameFile
from seqloom.data.growth import grown_tokenizer, other_data
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom.data.sound.sound_file import Sound, SoundFile, resampled
from seqloom.data.text_codec import load_tokenizer
from seqloom.data.tokenizer import EOS, UNK, Tokenizer
from seqloom.errors import RequestError
from seqloom.files import write_atomic
from seqloom_portable.frame_pipeline import FramePipeline
from seqloom_portable.log_mel import LogMel

_FILE = "features.json"


@dataclass(frozen=True)
class SpokenData:
    """Recording i has row `rows[i]` of `frames` (log-mel, not normalised), `texts[i]` and `token_ids[i]`, without
    `<eos>`."""

    frames: FrameFile
    rows: NDArray[np.int64]
    sounds: tuple[SoundFile, ...]
    texts: tuple[str, ...]
    speakers: tuple[str, ...]
    token_ids: tuple[NDArray[np.int64], ...]
    codec: SpokenCodec

    def __len__(self) -> int:
        """Tokens, an end for each recording."""
        return sum(map(len, self.token_ids)) + len(self.rows)

    @property
    def num_lines(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Log-mel frames of each recording."""
        return np.diff(self.frames.offsets)[self.rows]

    @property
    def seconds(self) -> NDArray[np.float64]:
        return self.lengths * self.codec.features.hop_ms / 1_000

    def token_counts(self) -> NDArray[np.int64]:
        """(vocab,): how often each token occurs, the ends of transcripts among them."""
        counts = np.bincount(np.concatenate([*self.token_ids, np.zeros(0, np.int64)]), minlength=self.codec.vocab_size)
        counts[EOS] += self.num_lines
        return counts

    def log_mel(self, number: int) -> Frames:
        row = self.rows[number]
        return self.frames.values[self.frames.offsets[row] : self.frames.offsets[row + 1]]


@dataclass(frozen=True)
class SpokenCodec:
    """What a run keeps of its data: how sound becomes frames, and the tokenizer. `features.rate` is known. `mean` and
    `deviation`: of each band over the training data."""

    data_kind: ClassVar[str] = "sound"

    features: FeatureSettings
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    quiet: float
    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path) -> SpokenCodec:
        path = folder / _FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            features = FeatureSettings.model_validate(content["features"])
            mean, deviation = (tuple(map(float, content[name])) for name in ("mean", "deviation"))
            if not features.rate or not len(mean) == len(deviation) == features.bands or min(deviation) <= 0:
                raise ValueError("the numbers of bands differ")
            quiet = float(content["quiet"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RequestError("the description of the sound is damaged", where=str(path), got=repr(error)) from None
        return cls(features, mean, deviation, quiet, load_tokenizer(folder / "tokenizer.json"))

    def _to_json(self) -> str:
        content = {"features": self.features.model_dump(), "mean": self.mean, "deviation": self.deviation}
        return json.dumps({**content, "quiet": self.quiet}, indent=0) + "\n"

    def save(self, folder: Path) -> None:
        write_atomic(folder / _FILE, self._to_json())
        self.tokenizer.save(folder / "tokenizer.json")

    def fingerprint(self) -> str:
        return self._to_json() + self.tokenizer.to_json()

    def facts(self) -> dict[str, int]:
        features = self.features
        sizes = {"vocab_size": self.tokenizer.vocab_size, "frame_size": features.size}
        return {**sizes, "rate": features.rate, "bands": features.bands}

    def begin_from(self, earlier: Any) -> SpokenCodec:
        """Sound becomes frames as in the earlier run."""
        if not isinstance(earlier, SpokenCodec):
            raise other_data(earlier, self)
        return replace(earlier, tokenizer=grown_tokenizer(earlier.tokenizer, self.tokenizer))

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.vocab_size

    @cached_property
    def separator(self) -> NDArray[np.int64]:
        """The tokens of a space; none where tokens are words, or bring their own."""
        ids = self.tokenizer.encode([" "])[0]
        return np.array([i for i in ids if i != UNK], np.int64)

    def pipeline(self) -> FramePipeline:
        return FramePipeline(self.features, np.float32(self.mean), np.float32(self.deviation))  # type: ignore[arg-type]

    def log_mel(self, sound: Sound) -> Frames:
        """The log-mel frames of a recording, (time, bands)."""
        return LogMel(self.features).frames(resampled(sound, self.features.rate))

    def frames(self, log_mel: Frames) -> Frames:
        """What a network reads of a recording's log-mel frames, (steps, size)."""
        return self.pipeline().all_frames(log_mel)


def fewest_steps(token_ids: Sequence[int] | NDArray[np.int64]) -> int:
    """That CTC needs for a text: one each token, and a blank between equal neighbours (Graves et al. 2006)."""
    ids = np.asarray(token_ids)
    return len(ids) + int((ids[1:] == ids[:-1]).sum())
