"""Vectors or sequences of vectors with their texts as data: a file of scaled numbers beside a file of tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings, needs
from seqloom.data.batches import Batch
from seqloom.data.corpus import Recipe
from seqloom.data.example import Frames, content
from seqloom.data.frames import FrameCodec, FrameFile
from seqloom.data.growth import grown_tokenizer, other_data
from seqloom.data.line_batches import Buckets, frames_with_lengths, line_batch
from seqloom.data.parallel import Parallel, ParallelWriter
from seqloom.data.readers.described import Described
from seqloom.data.text_codec import load_tokenizer, train_tokenizer
from seqloom.data.token_file import TokenFile, TokenFileWriter, UnknownTokens
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines, write_atomic

_FEW_WORDS = 1_000
_MANY_CHANNELS = 16
_FILE = "texts.json"


class DescriptionTokenizerSettings(Settings):
    kind: Literal["auto", "character", "word", "bpe", "unigram"] = Field(
        "auto", description="auto: word where there are at most 1,000 different ones, else bpe"
    )
    vocab_size: int = Field(0, ge=0, le=2**24, description="largest vocabulary; 0 is the kind's own (bpe: 8,000)")
    min_count: int = Field(
        1, ge=1, description="rarer words and characters become <unk>",
        json_schema_extra=needs(kind=["auto", "character", "word"]),
    )  # fmt: skip
    lowercase: bool = Field(False, description="lowercase the texts")

    def tokenizer(self, texts: Callable[[], Iterable[str]], where: str) -> Tokenizer:
        kind = self.kind
        if kind == "auto":
            kind = "word" if len({word for text in texts() for word in text.split()}) <= _FEW_WORDS else "bpe"
        options = {"vocab_size": self.vocab_size, "min_count": self.min_count, "lowercase": self.lowercase}
        return train_tokenizer(texts(), TokenizerSettings(kind=kind, **options), where)


class VectorSettings(Settings):
    parts: int = Field(
        1, gt=0, le=2**20, description="a vector is cut into so many steps, such as the rows of an image, which "
        "attention can tell apart"
    )  # fmt: skip
    scale: Literal["auto", "each", "all"] = Field(
        "auto",
        description="what mean and deviation are taken over: each channel, or all of them, such as the pixels of an "
        "image; auto: all from 16 channels on",
    )
    noise: float = Field(
        0.0, ge=0, le=10, description="standard deviation of noise that is added to the scaled numbers in training"
    )


@dataclass(frozen=True)
class Descriptions(Parallel[FrameFile, "DescriptionCodec"]):
    """Row i of `source` is described by line i of `target`."""

    def unknown(self) -> UnknownTokens:
        return self.target.unknown()

    @cached_property
    def texts(self) -> list[str]:
        return list(read_lines(self.text))

    @cached_property
    def keys(self) -> list[str]:
        """The same for equal sources, which share their references."""
        return [content(frames) for frames in self.source.rows(range(self.num_lines))]


@dataclass(frozen=True)
class DescriptionCodec:
    """The scales of channels (`frames.json`), the tokenizer, and the tokens of the longest text of the training data.
    `parts`: the steps that a vector is cut into."""

    data_kind: ClassVar[str] = "vectors with texts"

    frames: FrameCodec
    tokenizer: Tokenizer
    longest: int
    parts: int

    @classmethod
    def load(cls, folder: Path) -> DescriptionCodec:
        path = folder / _FILE
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            longest, parts = int(facts["longest"]), int(facts["parts"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RequestError("the description of the texts is damaged", where=str(path), got=repr(error)) from None
        return cls(FrameCodec.load(folder), load_tokenizer(folder / "tokenizer.json"), longest, parts)

    def save(self, folder: Path) -> None:
        self.frames.save(folder)
        self.tokenizer.save(folder / "tokenizer.json")
        write_atomic(folder / _FILE, json.dumps({"longest": self.longest, "parts": self.parts}) + "\n")

    def fingerprint(self) -> str:
        return f"{self.frames.fingerprint()}{self.tokenizer.to_json()}{self.longest} {self.parts}"

    def facts(self) -> dict[str, int]:
        return {**self.frames.facts(), "vocab_size": self.tokenizer.vocab_size}

    def begin_from(self, earlier: Any) -> DescriptionCodec:
        """Numbers are scaled as in the earlier run."""
        is_alike = isinstance(earlier, DescriptionCodec) and earlier.parts == self.parts
        if not is_alike or earlier.frames.channels != self.frames.channels:
            raise other_data(earlier, self)
        tokenizer = grown_tokenizer(earlier.tokenizer, self.tokenizer)
        return DescriptionCodec(earlier.frames, tokenizer, max(earlier.longest, self.longest), self.parts)

    def rows(self, sources: Sequence[NDArray[Any]]) -> list[Frames]:
        """What a network reads of vectors (channels,) or sequences of them (steps, channels)."""
        with np.errstate(over="ignore"):  # what is too large for float32 is refused when it is scaled
            frames = [np.asarray(source, np.float32) for source in sources]
        return [self.frames.scale(in_parts(row[None] if row.ndim == 1 else row, self.parts)) for row in frames]

    def writer(self, folder: Path) -> ParallelWriter[Described]:
        return ParallelWriter(
            self.frames.writer(folder / "source"),
            TokenFileWriter(folder / "target", self.tokenizer),
            folder / "texts.txt",
            lambda example: (example.frames, example.text, example.text),
        )

    def open(self, folder: Path) -> Descriptions:
        source, target = self.frames.open(folder / "source"), TokenFile.open(folder / "target")
        return Descriptions(source, target, folder / "texts.txt", self)


def in_parts(frames: Frames, parts: int) -> Frames:
    """A vector cut into steps. Raises SeqloomError where it cannot be."""
    if parts == 1:
        return frames
    if len(frames) != 1 or frames.shape[1] % parts:
        raise SeqloomError(
            "a vector cannot be cut into equal parts", where="data.parts", got=f"{parts} parts of {frames.shape}",
            expected="single vectors of so many times as many numbers",
        )  # fmt: skip
    return frames.reshape(parts, -1)


def description_recipe(
    read: Callable[[str], Iterator[Described]], settings: DescriptionTokenizerSettings, vectors: VectorSettings
) -> Recipe[Described, Descriptions]:
    """How the examples that `read` yields become data."""

    def read_parts(path: str) -> Iterator[Described]:
        return (example._replace(frames=in_parts(example.frames, vectors.parts)) for example in read(path))

    def learn(examples: Callable[[], Iterable[Described]], where: str) -> DescriptionCodec:
        if next(iter(examples()), None) is None:
            raise SeqloomError("there is nothing to train on", where=where, expected="at least one vector with a text")
        tokenizer = settings.tokenizer(lambda: (example.text for example in examples()), where)
        longest = max(len(ids) for ids in tokenizer.encode([example.text for example in examples()]))
        frames = FrameCodec.learn(example.frames for example in examples())
        if vectors.scale == "all" or (vectors.scale == "auto" and frames.channels * vectors.parts >= _MANY_CHANNELS):
            frames = _of_all_channels(frames)
        return DescriptionCodec(frames, tokenizer, longest, vectors.parts)

    key = f"{settings.model_dump_json()} {vectors.parts} {vectors.scale}"
    return Recipe(read_parts, learn, DescriptionCodec.load, key, identity=lambda example: content(example.frames))


def _of_all_channels(frames: FrameCodec) -> FrameCodec:
    """The mean and deviation of all numbers, for every channel."""
    means, deviations = np.array(frames.mean), np.array(frames.deviation)
    deviation = float(np.sqrt((deviations**2 + means**2).mean() - means.mean() ** 2)) or 1.0
    channels = frames.channels
    return replace(frames, mean=(float(means.mean()),) * channels, deviation=(deviation,) * channels)


class DescriptionLoader:
    """Examples of like length together: a batch holds at most `examples` rows and `elements` tokens or steps, padding
    included. `noise` is a function of (seed, epoch, step); `seed=None` keeps one order, without noise."""

    def __init__(self, data: Descriptions, elements: int, examples: int, noise: float, seed: int | None) -> None:
        self.data, self._noise, self._seed = data, noise, seed
        lengths = np.diff(data.target.offsets), np.diff(data.source.offsets)
        self._buckets = Buckets(lengths, elements, seed, examples)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        numbers = self._buckets.epoch(epoch)[step]
        frames, lengths = frames_with_lengths(self.data.source.rows(numbers))
        if self._noise and self._seed is not None:
            rng = np.random.default_rng((self._seed, epoch, step))
            noise = rng.standard_normal(tuple(frames.shape), np.float32) * np.float32(self._noise)
            frames += torch.from_numpy(noise)
        batch = line_batch(self.data.target.rows(numbers))
        return batch._replace(source=frames, source_lengths=lengths)
