"""The log-mel frames of recordings, cached by the sound itself, and what of them cannot be read."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqloom.data.example import Frames
from seqloom.data.frames import FrameFile
from seqloom.data.readers.recordings import Recording, recordings
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom.data.sound.sound_file import Sound, decode, digest, resampled
from seqloom.errors import RequestError, SeqloomError, collected_warnings, warn, warn_again
from seqloom.files import make_folder, writing
from seqloom.runtime import cache_folder
from seqloom.storage.flat_file import FlatFileWriter
from seqloom.storage.folder import facts_of, is_whole, new_folder
from seqloom_portable.log_mel import LogMel

_FORMAT = 1  # raised when the layout of cached files or what is in them changes
_SILENT = 1e-5
"""Of the loudest sample: nothing was recorded."""


class ReadRecording(NamedTuple):
    """A recording that could be read. `identity`: the hash of its sound; `row`: where its frames are in their file."""

    recording: Recording
    identity: str
    row: int


def read_frames(
    path: str, features: FeatureSettings, most_seconds: float, skip_bad: bool
) -> tuple[FrameFile, list[ReadRecording]]:
    """The frames of all recordings, from the cache where these very sounds were read before, and the recordings that
    are not skipped. One that is longer than `most_seconds` or cannot be read is skipped with `skip_bad`, and an error
    without."""
    items = [(recording, _digest(recording, skip_bad)) for recording in recordings(path)]
    if not items:
        raise SeqloomError("there is no recording", where=path, expected="one or more")
    contents = hashlib.sha256()
    for part in (str(_FORMAT), _analysis(features), *(identity for _, identity in items)):
        contents.update(part.encode() + b"\0")
    folder = cache_folder() / f"sound-{contents.hexdigest()[:24]}"
    if not is_whole(folder):
        _write(folder, [recording for recording, _ in items], [d for _, d in items], features)
    facts = facts_of(folder)
    warn_again(facts["warnings"])
    frames, problems = FrameFile.open(folder, features.bands), facts["problems"]
    seconds = np.diff(frames.offsets) * features.hop_ms / 1_000
    rows, read, skipped = itertools.count(), [], []
    for number, (recording, identity) in enumerate(items):
        problem = problems.get(str(number))
        if problem is None:
            row = next(rows)
            if seconds[row] <= most_seconds:
                read.append(ReadRecording(recording, identity, row))
                continue
            got = f"{seconds[row]:,.1f} s; data.max_seconds={most_seconds:g}"
            problem = {"what": "the recording is too long to train on", "got": got}
        error = SeqloomError(
            problem["what"], where=recording.sound.where, got=problem["got"],
            hint="--skip-bad leaves out what cannot be read",
        )  # fmt: skip
        if not skip_bad:
            raise error
        skipped.append(error)
    if skipped:
        warn_of_skipped(skipped, len(items))
    return frames, read


def _digest(recording: Recording, skip_bad: bool) -> str:
    try:
        return digest(recording.sound.read())
    except SeqloomError:
        if not skip_bad:
            raise
        return "unreadable"


def _write(folder: Path, items: Sequence[Recording], digests: Sequence[str], features: FeatureSettings) -> None:
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
    """How many of all recordings are skipped, why, and which is the first."""
    kinds = Counter(error.what for error in errors)
    warn(
        f"{len(errors)} of {total} recordings are skipped",
        where=errors[0].where,
        got="; ".join(f"{what}: {count}" for what, count in kinds.items()),
        hint="the first is named here" if len(errors) > 1 else None,
    )
