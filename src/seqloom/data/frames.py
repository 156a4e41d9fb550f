"""Sequences of numbers on disk, memory-mapped and standardised, and the scales that do it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.codec import SavedAsJson
from seqloom.data.example import Frames
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder, writing
from seqloom.storage.flat_file import FlatFileWriter, map_flat_file

_LARGEST = float(np.finfo(np.float32).max)


def is_number(cell: str) -> bool:
    """Whether the cell is a finite number in single precision."""
    try:
        return abs(float(cell)) <= _LARGEST
    except ValueError:
        return False


def parse_numbers(cells: Sequence[str], where: str) -> NDArray[np.float64]:
    """The cells as numbers. Raises SeqloomError at the first cell that is not a finite number."""
    try:
        numbers = np.array(cells, dtype=np.float64)
    except ValueError:
        numbers = np.full(1, np.nan)
    if not (np.abs(numbers) <= _LARGEST).all():  # false for NaN too
        wrong = next((cell for cell in cells if not is_number(cell)), "")
        raise SeqloomError("this is not a number", where=where, got=repr(wrong[:40]), expected="numbers, none missing")
    return numbers


@dataclass(frozen=True)
class FrameFile:
    """`values` (steps, channels; memory-mapped) holds the scaled steps of all sequences; sequence i is
    `values[offsets[i]:offsets[i + 1]]`."""

    values: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def num_lines(self) -> int:
        return len(self.offsets) - 1

    def rows(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[Frames]:
        return [self.values[self.offsets[i] : self.offsets[i + 1]] for i in numbers]

    @classmethod
    def open(cls, folder: Path, channels: int) -> FrameFile:
        values = map_flat_file(folder / "values.bin", np.float32)
        return cls(values.reshape(-1, channels), np.load(folder / "offsets.npy", mmap_mode="r"))


@dataclass(frozen=True)
class FrameCodec(SavedAsJson):
    """Scales each channel to mean 0 and standard deviation 1 over the training data; saved as `frames.json`. `length`:
    the number of steps if it is the same for all training sequences, otherwise 0."""

    file = "frames.json"

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    length: int

    @classmethod
    def learn(cls, sequences: Iterable[Frames]) -> FrameCodec:
        """Learns the scales. A constant channel is only centred. `sequences` must not be empty."""
        count, lengths = 0, set()
        mean = squares = np.zeros(1)
        for frames in sequences:
            # Chan et al. 1979: the moments of the parts give the moments of the whole without cancellation.
            sequence_mean = frames.mean(0, dtype=np.float64)
            total, difference = count + len(frames), sequence_mean - mean
            squares = squares + ((frames - sequence_mean) ** 2).sum(0) + difference**2 * (count * len(frames) / total)
            mean = mean + difference * (len(frames) / total)
            count = total
            lengths.add(len(frames))
        deviation = np.sqrt(squares / count)
        deviation[deviation < 1e-12] = 1.0
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()), lengths.pop() if len(lengths) == 1 else 0)

    @classmethod
    def load(cls, folder: Path) -> FrameCodec:
        try:
            content = json.loads((folder / cls.file).read_text(encoding="utf-8"))
            return cls(tuple(content["mean"]), tuple(content["deviation"]), content["length"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RequestError("the scales could not be read", where=str(folder / cls.file), got=repr(error)) from None

    @property
    def channels(self) -> int:
        return len(self.mean)

    def to_json(self) -> str:
        return json.dumps({"mean": self.mean, "deviation": self.deviation, "length": self.length}, indent=0) + "\n"

    def facts(self) -> dict[str, int]:
        return {"channels": self.channels}

    def scale(self, frames: Frames) -> Frames:
        """The scaled frames. Raises SeqloomError if the number of channels is not that of the training data."""
        if frames.ndim != 2 or not len(frames) or frames.shape[1] != self.channels:
            raise SeqloomError(
                "the numbers do not fit the model",
                got=" × ".join(map(str, frames.shape)) + " (steps × channels)",
                expected=f"{self.channels} channel{'s' if self.channels > 1 else ''}, as in training",
            )
        with np.errstate(over="ignore"):
            scaled: Frames = ((frames - np.array(self.mean)) / np.array(self.deviation)).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise SeqloomError("the numbers do not fit the model", got="NaN, or a number too large for float32")
        return scaled

    def numbers(self, source: Any) -> NDArray[Any]:
        """An input from Python as an array. Raises RequestError if it does not hold numbers."""
        try:
            frames = np.asarray(source)
        except ValueError:
            frames = np.array(None)
        if frames.dtype.kind not in "fiub":
            raise RequestError("an input does not hold numbers", got=repr(source)[:80], expected="steps of numbers")
        return frames

    def writer(self, folder: Path) -> FrameFileWriter:
        return FrameFileWriter(folder, self)

    def open(self, folder: Path) -> FrameFile:
        return FrameFile.open(folder, self.channels)


class FrameFileWriter:
    """Writes the frame file of sequences into `folder`."""

    def __init__(self, folder: Path, codec: FrameCodec) -> None:
        self._folder, self._codec = make_folder(folder), codec
        self._lengths = [0]
        self._values = FlatFileWriter(folder / "values.bin", np.float32)

    def add(self, examples: list[Frames]) -> None:
        for frames in examples:
            scaled = self._codec.scale(frames)
            self._lengths.append(len(scaled))
            self._values.add(scaled)

    def finish(self) -> None:
        self._values.close()
        with writing(self._folder):
            np.save(self._folder / "offsets.npy", np.cumsum(self._lengths))

    def discard(self) -> None:
        self._values.discard()
