"""Sequences of numbers with a tag for each step as data: scaled numbers and tags, memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.batches import Batch
from seqloom.data.example import Frames
from seqloom.data.frames import FrameCodec, FrameFile
from seqloom.data.growth import grown_names, other_data
from seqloom.data.labels import UNSEEN, Labels
from seqloom.data.line_batches import frames_with_lengths
from seqloom.data.readers.tagged_steps import EXPECTED_STEPS, TaggedSteps
from seqloom.data.tag_file import Tagged, TagWriter, open_tags
from seqloom.errors import RequestError
from seqloom.files import make_folder

_LABELS = "labels.json"


@dataclass(frozen=True)
class TaggedFrames(Tagged):
    """Sequence i has the steps `values[starts[i]:starts[i + 1]]`, (steps, channels), scaled."""

    values: NDArray[np.float32]

    def rows(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[Frames]:
        return [self.values[self.starts[i] : self.starts[i + 1]] for i in numbers]

    def batch(self, rows: Sequence[Frames]) -> Batch:
        return frame_batch(rows)

    def in_pieces(self, longest: int) -> TaggedFrames:
        """The same steps, in pieces of about equal length where a sequence is longer than `longest`; 0: any length."""
        if not longest:
            return self
        starts = [
            np.linspace(start, stop, -(-(stop - start) // longest) + 1).round().astype(np.int64)[:-1]
            for start, stop in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        ]
        return replace(self, starts=np.concatenate([*starts, self.starts[-1:]]))


def frame_batch(rows: Sequence[Frames]) -> Batch:
    """The steps are the `inputs`, (batch, time, channels); all targets are `UNSEEN`."""
    frames, lengths = frames_with_lengths(rows)
    return Batch(frames, torch.full(frames.shape[:2], UNSEEN), lengths)


@dataclass(frozen=True)
class FrameTagCodec:
    """The scales of channels (`frames.json`) and the labels (`labels.json`)."""

    data_kind: ClassVar[str] = "numbers with tags"

    frames: FrameCodec
    labels: Labels

    @classmethod
    def learn(cls, examples: Callable[[], Iterable[TaggedSteps]], where: str) -> FrameTagCodec:
        tags = {tag for example in examples() for tag in example.tags}
        return cls(FrameCodec.learn(example.frames for example in examples()), Labels.learn(tags, where))

    @staticmethod
    def is_in(folder: Path) -> bool:
        return (folder / FrameCodec.file).exists()

    @classmethod
    def load(cls, folder: Path) -> FrameTagCodec:
        return cls(FrameCodec.load(folder), Labels.load(folder / _LABELS))

    def save(self, folder: Path) -> None:
        self.frames.save(folder)
        self.labels.save(folder / _LABELS)

    def fingerprint(self) -> str:
        return "\0".join([*self.labels.names, self.frames.fingerprint()])

    def facts(self) -> dict[str, int]:
        return {**self.frames.facts(), "labels": len(self.labels)}

    def begin_from(self, earlier: Any) -> FrameTagCodec:
        """Numbers are scaled as in the earlier run."""
        if not isinstance(earlier, FrameTagCodec) or earlier.frames.channels != self.frames.channels:
            raise other_data(earlier, self)
        return FrameTagCodec(earlier.frames, Labels(grown_names(earlier.labels.names, self.labels.names)))

    def rows(self, sources: Sequence[Any]) -> list[Frames]:
        """What a network reads of sequences (steps, channels), or (steps,) of one channel."""
        arrays = [self.frames.numbers(source) for source in sources]
        return [self.frames.scale(array[:, None] if array.ndim == 1 else array) for array in arrays]

    def writer(self, folder: Path) -> TaggedFramesWriter:
        return TaggedFramesWriter(folder, self)

    def open(self, folder: Path) -> TaggedFrames:
        values = FrameFile.open(folder / "frames", self.frames.channels).values
        tags, starts, names = open_tags(folder, self.labels)
        return TaggedFrames(tags, starts, self.labels, names, values)


class TaggedFramesWriter:
    def __init__(self, folder: Path, codec: FrameTagCodec) -> None:
        make_folder(folder)
        self._frames, self._tags = codec.frames.writer(folder / "frames"), TagWriter(folder, codec.labels)

    def add(self, examples: list[TaggedSteps]) -> None:
        if any(not isinstance(example, TaggedSteps) for example in examples):
            raise RequestError("the model reads sequences of numbers", got="sentences", expected=EXPECTED_STEPS)
        self._frames.add([example.frames for example in examples])
        self._tags.add([example.tags for example in examples])

    def finish(self) -> None:
        self._frames.finish()
        self._tags.finish()

    def discard(self) -> None:
        self._frames.discard()
        self._tags.discard()
