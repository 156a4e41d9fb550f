"""Synthetic examples of an algorithm: its name and settings, the codec that a run saves, and batches of new
examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from seqloom.config import Settings, build, flatten, parse_assignments
from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, SyntheticExample
from seqloom.data.batches import Batch
from seqloom.data.codec import SavedAsJson
from seqloom.data.corpus import Corpus, Sources
from seqloom.data.growth import of_kind
from seqloom.errors import RequestError

_STEPS = 1_000
"""Batches of an epoch; there are always new examples."""

_VALID, _TEST = 1, 2
"""Seeds of the held-out examples. The seeds of training have another form, so that equal examples occur only by
chance."""


@dataclass(frozen=True)
class SyntheticData:
    """`sequences` examples of an algorithm, the same ones at every access."""

    algorithm: Algorithm
    sequences: int
    seed: int

    def __len__(self) -> int:
        return self.sequences

    @property
    def num_lines(self) -> int:
        return self.sequences

    @cached_property
    def examples(self) -> Sequence[SyntheticExample]:
        rng = np.random.default_rng((self.seed, self.sequences))
        return [self.algorithm.draw(rng) for _ in range(self.sequences)]


@dataclass(frozen=True)
class AlgorithmCodec(SavedAsJson):
    """The algorithm that `NAME` or `NAME:setting=value,setting=value` denotes; saved as `algorithm.json`."""

    data_kind: ClassVar[str] = "examples of an algorithm"
    file = "algorithm.json"

    name: str
    settings: Settings

    @classmethod
    def parse(cls, text: str, like: AlgorithmCodec | None = None) -> AlgorithmCodec:
        """Settings that `text` leaves out are those of `like`, if that is the same algorithm, otherwise the paper's."""
        name, _, assignments = text.partition(":")
        kind = algorithms[name].settings
        changes = parse_assignments(part for part in assignments.split(",") if part)
        defaults = flatten(like.settings) if like is not None and like.name == name else {}
        return cls(name, build(kind, defaults, changes))

    @classmethod
    def load(cls, folder: Path) -> AlgorithmCodec:
        try:
            content = json.loads((folder / cls.file).read_text(encoding="utf-8"))
            return cls(content["name"], build(algorithms[content["name"]].settings, content["settings"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RequestError(
                "the algorithm could not be read", where=str(folder / cls.file), got=repr(error)
            ) from None

    def algorithm(self) -> Algorithm:
        return algorithms[self.name](self.settings)  # type: ignore[call-arg]

    def to_json(self) -> str:
        return json.dumps({"name": self.name, "settings": self.settings.model_dump()}, indent=1) + "\n"

    def begin_from(self, earlier: Any) -> AlgorithmCodec:
        """The new examples, of vectors of the same sizes."""
        sizes, earlier_sizes = self.facts(), of_kind(earlier, AlgorithmCodec).facts()
        if sizes != earlier_sizes:
            raise RequestError(
                "the examples have other sizes than those of the run to initialise from", where=self.name, got=sizes,
                expected=earlier_sizes,
            )  # fmt: skip
        return self

    def facts(self) -> dict[str, int]:
        algorithm = self.algorithm()
        return {"input_size": algorithm.input_size, "target_size": algorithm.target_size}


@dataclass(frozen=True)
class SyntheticRecipe:
    """How the name of an algorithm becomes data: examples are drawn, not read. `held_out`: the number of sequences to
    validate or test on."""

    held_out: int
    earlier: AlgorithmCodec | None = None
    """That of a run to initialise from; settings of the algorithm that the name leaves out are those of that run."""

    def beginning_with(self, earlier: AlgorithmCodec, grows: bool) -> SyntheticRecipe:  # noqa: ARG002
        """The same recipe, whose examples have the sizes of the `earlier` ones."""
        return SyntheticRecipe(self.held_out, of_kind(earlier, AlgorithmCodec))

    def load(self, folder: Path) -> AlgorithmCodec:
        return AlgorithmCodec.load(folder)

    def held_out_part(self, sources: Sources) -> str:  # noqa: ARG002
        return f"{self.held_out:,} generated sequences"

    def fingerprint(self, name: str) -> str:
        return AlgorithmCodec.parse(name).fingerprint()

    def prepare(self, sources: Sources) -> Corpus[SyntheticExample, SyntheticData]:
        sources.check_nothing_drawn("examples to validate and test on are generated")
        codec = AlgorithmCodec.parse(sources.data, self.earlier)
        if self.earlier is not None:
            codec = codec.begin_from(self.earlier)
        valid, test = (self._held_out(name or sources.data, codec, seed) for name, seed in (
            (sources.valid, _VALID), (sources.test, _TEST)
        ))  # fmt: skip
        return Corpus(codec, SyntheticData(codec.algorithm(), self.held_out, 0), valid, test)

    def encode(self, name: str, codec: AlgorithmCodec) -> SyntheticData:
        return self._held_out(name, codec, _TEST)

    def _held_out(self, name: str, codec: AlgorithmCodec, seed: int) -> SyntheticData:
        algorithm, trained = AlgorithmCodec.parse(name, codec).algorithm(), codec.algorithm()
        sizes, trained_sizes = (
            f"{size.input_size} numbers in and {size.target_size} out" for size in (algorithm, trained)
        )
        if sizes != trained_sizes or type(algorithm) is not type(trained):
            raise RequestError(
                "the examples do not fit the model",
                got=f"{name}, {sizes}",
                expected=f"{codec.name}, {trained_sizes}, as in training",
            )
        return SyntheticData(algorithm, self.held_out, seed)


@dataclass(frozen=True)
class SyntheticTrainLoader:
    """Endless batches of new examples; a batch depends only on the seed, the epoch and the step."""

    algorithm: Algorithm
    batch_size: int
    seed: int

    def num_steps(self, epoch: int) -> int:  # noqa: ARG002
        return _STEPS

    def batch(self, epoch: int, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, epoch, step))
        return synthetic_batch([self.algorithm.draw(rng) for _ in range(self.batch_size)])


@dataclass(frozen=True)
class SyntheticLoader:
    """The same examples sorted by length."""

    data: SyntheticData
    batch_size: int

    def num_steps(self, epoch: int = 0) -> int:  # noqa: ARG002
        return -(-len(self.data) // self.batch_size)

    def batch(self, epoch: int, step: int) -> Batch:  # noqa: ARG002
        return synthetic_batch(self.examples(step))

    def examples(self, step: int) -> Sequence[SyntheticExample]:
        return self._sorted[step * self.batch_size : (step + 1) * self.batch_size]

    @cached_property
    def _sorted(self) -> Sequence[SyntheticExample]:
        return sorted(self.data.examples, key=lambda example: len(example.inputs))


def synthetic_batch(examples: Sequence[SyntheticExample]) -> Batch:
    """The examples as rows of a batch, padded with zeros."""
    lengths = np.array([len(example.inputs) for example in examples])
    longest = int(lengths.max())

    def rows(parts: Sequence[np.ndarray[Any, Any]]) -> torch.Tensor:
        padded = np.zeros((len(parts), longest, *parts[0].shape[1:]), parts[0].dtype)
        for row, part in zip(padded, parts, strict=True):
            row[: len(part)] = part
        return torch.from_numpy(padded)

    inputs, targets, scored = (rows(parts) for parts in zip(*examples, strict=True))
    ragged = bool((lengths < longest).any())
    return Batch(inputs, targets, torch.from_numpy(lengths) if ragged else None, scored)
