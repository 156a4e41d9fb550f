"""Compares the transcripts of an exported model with the run's, on recordings of its data or on noise."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqloom.data.sound.sound_file import Sound, sound_of
from seqloom.errors import SeqloomError
from seqloom.export.onnx.gate import Gate, ParityError
from seqloom.run import Run

_RECORDINGS = 20
"""Recordings that are compared, so that an export takes seconds: the exported search is not compiled."""


def recordings_of(run: Run, data: str) -> tuple[list[Sound], str]:
    """The first recordings of `data` or, if it is empty, of the first of the run's validation, test and training data
    that still exists, and its path; noise if there are none."""
    sources, rate = run.plan.sources, run.codec.features.rate

    def first_of(path: str) -> list[Sound]:
        files = itertools.islice(run.task.inputs(path, run.plan.settings), _RECORDINGS)  # type: ignore[attr-defined]
        return [sound_of(file, rate, path) for file in files]

    if data:
        return first_of(data), data
    for path in filter(None, (sources.valid, sources.test, sources.data)):
        with contextlib.suppress(SeqloomError):
            return first_of(path), path
    noise = np.random.default_rng(1).standard_normal((3, rate)).astype(np.float32)
    return [Sound(0.1 * row, rate) for row in noise], ""


def compare_transcripts(run: Run, portable: Any, sounds: Sequence[Sound], gate: Gate) -> tuple[int, int]:
    """The numbers of identical texts and of ties: texts that differ but are ranked alike within the tolerance. Raises
    ParityError for other texts."""
    identical = ties = 0
    pairs = zip(portable.answers(sounds), run.answers(sounds), strict=True)
    for number, ((ours, *_), (theirs, *_)) in enumerate(pairs, 1):
        sound = sounds[number - 1]
        steps = max(1.0, len(sound.samples) / sound.rate / portable.features.step_seconds)
        difference = np.array([(ours.score - theirs.score) / steps])
        if ours.text == theirs.text:
            identical += 1
            gate.compare("scores of transcripts, per step", difference, np.zeros(1))
            continue
        ties += 1
        if abs(difference[0]) > gate.tolerance:
            raise ParityError(
                "the exported model gives another text",
                where=f"recording {number}",
                got=ours.text,
                expected=theirs.text,
            )
    return identical, ties
