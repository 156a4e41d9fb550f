"""From recordings to data: log-mel frames, cached by the sound itself; splits; what cannot be read."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.corpus import Corpus, Sources, check_parts
from seqloom.data.example import Frames
from seqloom.data.frames import FrameFile
from seqloom.data.input_source import rereadable
from seqloom.data.readers.recordings import Recording, recordings
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom.data.sound.sound_file import Sound, decode, digest, resampled
from seqloom.data.sound.spoken import SpokenCodec, SpokenData, fewest_steps
from seqloom.data.sound.transcripts import TranscriptSettings
from seqloom.data.splits import Split, draw_splits
from seqloom.errors import RequestError, SeqloomError, collected_warnings, warn, warn_again
from seqloom.files import make_folder, writing
from seqloom.runtime import cache_folder
from seqloom.storage.flat_file import FlatFileWriter
from seqloom.storage.folder import facts_of, is_whole, new_folder
from seqloom_portable.log_mel import LogMel

_FORMAT = 1  # raised when the layout of cached files or what is in them changes
_MOST_AUTOMATIC_RATE = 16_000
_SILENT = 1e-5
"""Of the loudest sample: nothing was recorded."""


class _Checked(NamedTuple):
    """A recording that could be read. `identity`: the hash of its sound; `row`: where its frames are in their file."""

    recording: Recording
    identity: str
    row: int


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
        frames, checked = self._encoded(path, features)
        rule = sources.rule()
        if self.by_speaker and not any(item.recording.speaker for item in checked):
            raise RequestError(
                "no recording has a speaker", where="data.speaker_independent", got=sources.data,
                expected="a manifest with a column of speakers",
            )  # fmt: skip
        splits = draw_splits(((self._unit(item), "") for item in checked), rule, sources.data)
        recordings_of: dict[Split, list[_Checked]] = {"train": [], **{split: [] for split in rule.shares}}
        for item in checked:
            recordings_of[splits.split_of(self._unit(item))].append(item)
        if not recordings_of["train"]:
            raise SeqloomError("there is nothing to train on", where=sources.data, expected="one recording or more")
        codec = self._codec(features, frames, recordings_of["train"], sources.data)
        parts = {split: self._data(frames, items, codec) for split, items in recordings_of.items()}
        if sources.valid is not None:
            parts["valid"] = self.encode(sources.valid, codec)
        if sources.test is not None:
            parts["test"] = self.encode(sources.test, codec)
        check_parts(parts, sources, "recording")
        return Corpus(codec, parts["train"], parts["valid"], parts.get("test"))

    def _unit(self, item: _Checked) -> str:
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
        self, features: FeatureSettings, frames: FrameFile, items: Sequence[_Checked], where: str
    ) -> SpokenCodec:
        if self.earlier is not None and not self.grows:
            return self.earlier
        codec = self._learn(features, frames, items, where)
        return codec if self.earlier is None else codec.begin_from(self.earlier)

    def encode(self, name: str, codec: SpokenCodec) -> SpokenData:
        """Other recordings, as those of the training were read."""
        frames, checked = self._encoded(rereadable(name, cache_folder()), codec.features)
        return self._data(frames, checked, codec)

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

    def _encoded(self, path: str, features: FeatureSettings) -> tuple[FrameFile, list[_Checked]]:
        """The frames of all recordings, from the cache where these very sounds were read before, and the recordings
        that are not skipped."""
        items = [(recording, self._digest(recording)) for recording in recordings(path)]
        if not items:
            raise SeqloomError("there is no recording", where=path, expected="one or more")
        digest = hashlib.sha256()
        for part in (str(_FORMAT), _analysis(features), *(identity for _, identity in items)):
            digest.update(part.encode() + b"\0")
        folder = cache_folder() / f"sound-{digest.hexdigest()[:24]}"
        if not is_whole(folder):
            self._write(folder, [recording for recording, _ in items], [d for _, d in items], features)
        facts = facts_of(folder)
        warn_again(facts["warnings"])
        frames, problems = FrameFile.open(folder, features.bands), facts["problems"]
        seconds = np.diff(frames.offsets) * features.hop_ms / 1_000
        rows, checked, skipped = itertools.count(), [], []
        for number, (recording, identity) in enumerate(items):
            problem = problems.get(str(number))
            if problem is None:
                row = next(rows)
                if seconds[row] <= self.most_seconds:
                    checked.append(_Checked(recording, identity, row))
                    continue
                got = f"{seconds[row]:,.1f} s; data.max_seconds={self.most_seconds:g}"
                problem = {"what": "the recording is too long to train on", "got": got}
            error = SeqloomError(
                problem["what"], where=recording.sound.where, got=problem["got"],
                hint="--skip-bad leaves out what cannot be read",
            )  # fmt: skip
            if not self.skip_bad:
                raise error
            skipped.append(error)
        if skipped:
            warn_of_skipped(skipped, len(items))
        return frames, checked

    def _digest(self, recording: Recording) -> str:
        try:
            return digest(recording.sound.read())
        except SeqloomError:
            if not self.skip_bad:
                raise
            return "unreadable"

    def _write(
        self, folder: Path, items: Sequence[Recording], digests: Sequence[str], features: FeatureSettings
    ) -> None:
        """Decodes every recording. What cannot be read is noted in the facts of the folder, not raised: whether it is
        skipped is asked each time."""
        log_mel = LogMel(features)
        facts: dict[str, Any] = {"problems": {}, "warnings": []}
        with new_folder(folder, facts) as temporary, collected_warnings() as messages:
            writer, lengths = FlatFileWriter(make_folder(temporary) / "values.bin", np.float32), [0]
            try:
                for number, (recording, identity) in enumerate(zip(items, digests, strict=True)):
                    try:
                        content = recording.sound.read()
                        if digest(content) != identity:
                            raise RequestError("a recording changed while it was read", where=recording.sound.where)
                        frames = _frames(decode(content, recording.sound.where), log_mel, recording)
                    except SeqloomError as error:
                        facts["problems"][str(number)] = {"what": error.what, "got": error.got and str(error.got)}
                        continue
                    writer.add(frames)
                    lengths.append(len(frames))
                writer.close()
            except BaseException:
                writer.discard()
                raise
            with writing(temporary):
                np.save(temporary / "offsets.npy", np.cumsum(lengths))
            facts["warnings"] = list(messages)

    def _learn(
        self, features: FeatureSettings, frames: FrameFile, items: Sequence[_Checked], where: str
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

    def _data(self, frames: FrameFile, items: Sequence[_Checked], codec: SpokenCodec) -> SpokenData:
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
        items: Sequence[_Checked],
        texts: list[str],
        ids: list[NDArray[np.int64]],
        codec: SpokenCodec,
    ) -> tuple[list[_Checked], list[str], list[NDArray[np.int64]]]:
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


def _frames(sound: Sound, log_mel: LogMel, recording: Recording) -> Frames:
    """Raises SeqloomError for a recording that is too short, or silent though it has a text."""
    where = recording.sound.where
    samples = resampled(sound, log_mel.rate)
    if len(samples) < log_mel.window:
        count = len(sound.samples)
        raise SeqloomError(
            "the recording is too short", where=where, got=f"{count} sample{'' if count == 1 else 's'}",
            expected=f"{1_000 * log_mel.window / log_mel.rate:g} ms or more",
        )  # fmt: skip
    if recording.text and float(np.abs(samples).max()) < _SILENT:
        raise SeqloomError("the recording is silent, and has a text", where=where, got=recording.text[:40])
    return log_mel.frames(samples)


def _analysis(features: FeatureSettings) -> str:
    """What log-mel frames depend on, of the settings."""
    return json.dumps([features.rate, features.bands, features.window_ms, features.hop_ms])


def warn_of_skipped(errors: Sequence[SeqloomError], total: int) -> None:
    kinds = Counter(error.what for error in errors)
    warn(
        f"{len(errors)} of {total} recordings are skipped",
        where=errors[0].where,
        got="; ".join(f"{what}: {count}" for what, count in kinds.items()),
        hint="the first is named here" if len(errors) > 1 else None,
    )
