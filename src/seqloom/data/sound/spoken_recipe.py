"""From recordings to data: splits, the codec, and recordings whose text is too long for them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.corpus import Corpus, Sources, check_parts
from seqloom.data.frames import FrameFile
from seqloom.data.input_source import rereadable
from seqloom.data.readers.recordings import recordings
from seqloom.data.sound.frame_cache import ReadRecording, read_frames, warn_of_skipped
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom.data.sound.sound_file import decode, digest
from seqloom.data.sound.spoken import SpokenCodec, SpokenData, fewest_steps
from seqloom.data.sound.transcripts import TranscriptSettings
from seqloom.data.splits import Split, draw_splits
from seqloom.errors import RequestError, SeqloomError
from seqloom.runtime import cache_folder

_MOST_AUTOMATIC_RATE = 16_000


@dataclass(frozen=True)
class SpokenRecipe:
    """How recordings become data. `most_seconds`: longer ones are refused; `skip_bad`: what cannot be read is skipped,
    with a count. `by_speaker`: the recordings of one speaker stay on one side of a split. `earlier`: that of a run to
    initialise from; it `grows` by the tokens that only the new data has."""

    features: FeatureSettings
    transcripts: TranscriptSettings
    most_seconds: float
    skip_bad: bool
    by_speaker: bool = False
    earlier: SpokenCodec | None = None
    grows: bool = True

    def load(self, folder: Path) -> SpokenCodec:
        return SpokenCodec.load(folder)

    def fingerprint(self, name: str) -> str:
        """Of the sound of all recordings, and of their texts."""
        path = rereadable(name, cache_folder())
        every = "".join(f"{digest(r.sound.read())}{r.text}\0" for r in recordings(path))
        return hashlib.sha256(every.encode()).hexdigest()

    def held_out_part(self, sources: Sources) -> str:
        return sources.drawn_part("recordings", "those of one speaker" if self.by_speaker else "equal ones")

    def prepare(self, sources: Sources) -> Corpus[Any, Any]:
        """Equal recordings, or all of a speaker, fall on the same side of a split. Raises SeqloomError where a split
        that training needs holds nothing, and RequestError where speakers are not known but needed."""
        features = self.features if self.earlier is None else self.earlier.features
        path = rereadable(sources.data, cache_folder())
        if not features.rate:
            features = features.model_copy(update={"rate": self._common_rate(path)})
        frames, items = self._read(path, features)
        rule = sources.rule()
        if self.by_speaker and not any(item.recording.speaker for item in items):
            raise RequestError(
                "no recording has a speaker", where="data.speaker_independent", got=sources.data,
                expected="a manifest with a column of speakers",
            )  # fmt: skip
        splits = draw_splits(((self._unit(item), "") for item in items), rule, sources.data)
        recordings_of: dict[Split, list[ReadRecording]] = {"train": [], **{split: [] for split in rule.shares}}
        for item in items:
            recordings_of[splits.split_of(self._unit(item))].append(item)
        if not recordings_of["train"]:
            raise SeqloomError("there is nothing to train on", where=sources.data, expected="one recording or more")
        codec = self._codec(features, frames, recordings_of["train"], sources.data)
        parts = {split: self._data(frames, part, codec) for split, part in recordings_of.items()}
        if sources.valid is not None:
            parts["valid"] = self.encode(sources.valid, codec)
        if sources.test is not None:
            parts["test"] = self.encode(sources.test, codec)
        check_parts(parts, sources, "recording")
        return Corpus(codec, parts["train"], parts["valid"], parts.get("test"))

    def _unit(self, item: ReadRecording) -> str:
        """Equal for recordings that stay together."""
        return (item.recording.speaker if self.by_speaker else "") or item.identity

    def beginning_with(self, earlier: SpokenCodec, grows: bool) -> SpokenRecipe:
        """The same recipe, whose codec begins with the `earlier` one, with new characters of transcripts if it
        `grows`."""
        if not isinstance(earlier, SpokenCodec):
            raise RequestError(
                "the run to initialise from reads no sound", where="--from", expected="a run of transcribe"
            )
        return replace(self, earlier=earlier, grows=grows)

    def _codec(
        self, features: FeatureSettings, frames: FrameFile, items: Sequence[ReadRecording], where: str
    ) -> SpokenCodec:
        if self.earlier is not None and not self.grows:
            return self.earlier
        codec = self._learn(features, frames, items, where)
        return codec if self.earlier is None else codec.begin_from(self.earlier)

    def encode(self, name: str, codec: SpokenCodec) -> SpokenData:
        """Other recordings, as those of the training were read."""
        frames, items = self._read(rereadable(name, cache_folder()), codec.features)
        return self._data(frames, items, codec)

    def _read(self, path: str, features: FeatureSettings) -> tuple[FrameFile, list[ReadRecording]]:
        return read_frames(path, features, self.most_seconds, self.skip_bad)

    def _common_rate(self, path: str) -> int:
        counts: Counter[int] = Counter()
        for recording in recordings(path):
            try:
                counts[decode(recording.sound.read(), recording.sound.where).rate] += 1
            except SeqloomError:
                continue  # said when all are read
            if counts.total() >= 50:
                break
        return min(counts.most_common(1)[0][0], _MOST_AUTOMATIC_RATE) if counts else _MOST_AUTOMATIC_RATE

    def _learn(
        self, features: FeatureSettings, frames: FrameFile, items: Sequence[ReadRecording], where: str
    ) -> SpokenCodec:
        texts = [self.transcripts.normalised(item.recording.text) for item in items]
        if not any(texts):
            raise SeqloomError("nothing is said in any recording", where=where, expected="recordings with texts")
        tokenizer = self.transcripts.tokenizer(texts, where)
        count, total, squares, quiet = 0, np.zeros(features.bands), np.zeros(features.bands), []
        for item in items:
            values = frames.values[frames.offsets[item.row] : frames.offsets[item.row + 1]].astype(np.float64)
            count, total, squares = count + len(values), total + values.sum(0), squares + (values**2).sum(0)
            quiet.append(float(np.quantile(values.mean(1), 0.05)))
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-4))
        return SpokenCodec(
            features, tuple(mean.tolist()), tuple(deviation.tolist()), float(np.median(quiet)), tokenizer
        )

    def _data(self, frames: FrameFile, items: Sequence[ReadRecording], codec: SpokenCodec) -> SpokenData:
        texts = [self.transcripts.normalised(item.recording.text) for item in items]
        token_ids = [np.array(ids, np.int64) for ids in codec.tokenizer.encode(texts)]
        items, texts, token_ids = self._that_fit(frames, items, texts, token_ids, codec)
        return SpokenData(
            frames,
            np.array([item.row for item in items], np.int64),
            tuple(item.recording.sound for item in items),
            tuple(texts),
            tuple(item.recording.speaker for item in items),
            tuple(token_ids),
            codec,
        )

    def _that_fit(
        self,
        frames: FrameFile,
        items: Sequence[ReadRecording],
        texts: list[str],
        ids: list[NDArray[np.int64]],
        codec: SpokenCodec,
    ) -> tuple[list[ReadRecording], list[str], list[NDArray[np.int64]]]:
        """Leaves out, or refuses, recordings that have fewer steps than CTC needs for their text."""
        steps = codec.features.steps(np.diff(frames.offsets))
        fitting, skipped = [], []
        for number, (item, tokens) in enumerate(zip(items, ids, strict=True)):
            needed = fewest_steps(tokens)
            if needed <= steps[item.row]:
                fitting.append(number)
                continue
            error = SeqloomError(
                "the text is longer than the recording allows", where=item.recording.sound.where,
                got=f"{len(tokens)} tokens, {steps[item.row]} steps of {codec.features.step_seconds * 1_000:g} ms",
                expected=f"{needed} steps or more",
                hint="--skip-bad leaves it out; a smaller features.stride or tokenizer.kind=word needs fewer",
            )  # fmt: skip
            if not self.skip_bad:
                raise error
            skipped.append(error)
        if skipped:
            warn_of_skipped(skipped, len(items))
        return [items[i] for i in fitting], [texts[i] for i in fitting], [ids[i] for i in fitting]
