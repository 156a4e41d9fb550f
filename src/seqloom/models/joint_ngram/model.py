"""The joint n-gram model: a target is written token by token of its source, by the n-grams of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.pairs import PairCodec, Pairs
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD, SPECIALS
from seqloom.errors import RequestError, SeqloomError, warn
from seqloom.models.fitted import FittedInOnePass
from seqloom.models.joint_ngram.alignment import Alignments, align
from seqloom.models.joint_ngram.search import ANY_TARGET, search
from seqloom.models.ngram.model import NgramModel, NgramSettings
from seqloom.models.ngram.store import DTYPES, MAX_ORDER, Store
from seqloom.storage.arrays import map_arrays, write_arrays

_LN_10 = math.log(10)


class JointNgramSettings(Settings):
    order: int = Field(8, ge=1, le=MAX_ORDER, description="units in the longest n-gram")
    most_target_tokens: int = Field(2, ge=1, le=4, description="largest number of target tokens of a source token")


class UnitPath(NamedTuple):
    """The best `units` for a target: one for each source token. `log_prob`: that of the target given the source, in
    nats."""

    units: list[int]
    target: list[int]
    log_prob: float


class JointNgram(FittedInOnePass):
    """p(source, target) as an n-gram model of units: a source token and the target tokens that it becomes. The target
    of a source is that of its most probable units (Bisani and Ney 2008, section 2, with units of one source token)."""

    description = "An n-gram model of aligned letters and sounds: monotone pairs, in seconds."
    source = "Bisani and Ney 2008"
    settings = JointNgramSettings

    def __init__(self, settings: JointNgramSettings) -> None:
        self.options = settings
        self._store: Store | None = None
        self.starts, self.unit_tokens = np.zeros(0, np.int64), np.zeros((0, 0), np.int64)
        self._vocab_size = 0

    @property
    def store(self) -> Store:
        assert self._store is not None, "the model must be fitted or opened first"
        return self._store

    def fit(self, train: Pairs, valid: Pairs, codec: PairCodec) -> None:  # noqa: ARG002
        """Aligns the pairs and counts their units. Pairs with more target tokens than units can give, or with unknown
        ones, are left out with a warning. Raises RequestError if none is left."""
        sizes = codec.source.vocab_size, codec.target.vocab_size
        alignments = align(train.source, train.target, sizes, self.options.most_target_tokens)
        aligned, pairs = len(alignments.offsets) - 1, train.num_lines
        if not aligned:
            raise RequestError(
                "no pair can be aligned", where="model.most_target_tokens", got=self.options.most_target_tokens,
                expected="at least the number of target tokens for a source token", hint="train another model",
            )  # fmt: skip
        if aligned < pairs:
            warn(
                f"pairs with more than {self.options.most_target_tokens} target tokens for a source token, or with "
                "unknown ones, are left out",
                where="model.most_target_tokens",
                got=f"{pairs - aligned:,} of {pairs:,} pairs",
            )
        self.starts, self.unit_tokens, self._vocab_size = *_table(alignments, sizes[0]), sizes[1]
        ngram = NgramModel(NgramSettings(order=self.options.order))
        ngram.estimate(_as_text(alignments), None, len(self.unit_tokens))
        self._store = ngram.store

    def save(self, folder: Path) -> None:
        size = {"target_vocab_size": np.array([self._vocab_size])}
        write_arrays(folder / "model.safetensors", self.arrays() | size, {"format": "seqloom joint n-gram 1"})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The n-grams, and the target tokens of their units."""
        return {**self.store._asdict(), "starts": self.starts, "unit_tokens": self.unit_tokens}

    def open(self, folder: Path) -> None:
        """Raises SeqloomError if an index is out of range, since the compiled search does not check them."""
        path = folder / "model.safetensors"
        arrays = map_arrays(path)
        kinds = {name: (array.dtype.type, array.ndim) for name, array in arrays.items()}
        expected = {name: (dtype, 1) for name, dtype in DTYPES.items()}
        expected |= {"starts": (np.int64, 1), "unit_tokens": (np.int64, 2), "target_vocab_size": (np.int64, 1)}
        if kinds != expected or not len(arrays["target_vocab_size"]):
            raise SeqloomError("this is no joint n-gram model", where=str(path), got=", ".join(arrays) or "nothing")
        self._store = Store(**{name: arrays[name] for name in DTYPES})
        self._store.check(str(path))
        self.starts, self.unit_tokens = np.array(arrays["starts"]), np.array(arrays["unit_tokens"])
        self._vocab_size = int(arrays["target_vocab_size"][0])
        starts, tokens = self.starts, self.unit_tokens
        in_order = len(starts) > 1 and starts[0] == len(SPECIALS) and bool((np.diff(starts) >= 0).all())
        if (
            not in_order
            or not starts[-1] == len(tokens) == self._store.vocab_size
            or not ((tokens >= 0) & (tokens < self._vocab_size)).all()
        ):
            raise SeqloomError("the model is damaged", where=str(path), hint="train it again")

    def data_sizes(self) -> dict[str, int]:
        return {"vocab_size": self._vocab_size, "source_vocab_size": len(self.starts) - 1}

    def num_parameters(self) -> int:
        """The number of probabilities and back-off weights."""
        return len(self.store.log_probs) + len(self.store.backoffs)

    def search(self, source: Sequence[int], beam_size: int) -> list[UnitPath]:
        """The targets of a source (ids without <eos>), the most probable first; none twice. A target has the
        probability of its best units, as a share of all that the search found."""
        paths, scores = self._paths(source, ANY_TARGET, beam_size)
        of_source = float(np.logaddexp.reduce(scores))
        by_target: dict[tuple[int, ...], UnitPath] = {}
        for units, log_prob in zip(paths.tolist(), (scores - of_source).tolist(), strict=True):
            target = [token for unit in units for token in self.tokens_of(unit)]
            by_target.setdefault(tuple(target), UnitPath(units, target, log_prob))
        return list(by_target.values())

    def align(
        self, source: Sequence[int], target: Sequence[int], beam_size: int, of_source: float | None = None
    ) -> UnitPath | None:
        """The best units that give this target; None if no units do. `of_source`: what `log_prob` gives, if it is
        known."""
        paths, scores = self._paths(source, np.array(target, np.int64), beam_size)
        if not len(paths):
            return None
        log_prob = float(scores[0]) - (self.log_prob(source, beam_size) if of_source is None else of_source)
        return UnitPath(paths[0].tolist(), list(target), min(log_prob, 0.0))

    def log_prob(self, source: Sequence[int], beam_size: int) -> float:
        """The log-probability of the source in nats, with all targets that the search finds."""
        return float(np.logaddexp.reduce(self._paths(source, ANY_TARGET, beam_size)[1]))

    def _paths(
        self, source: Sequence[int], target: NDArray[np.int64], beam_size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The units of each path (paths, source), and log p(source, target) of each, in nats; best first."""
        paths, scores = np.zeros((beam_size, len(source)), np.int64), np.zeros(beam_size)
        ids = np.array(source, np.int64)
        count = search(tuple(self.store), self.starts, self.unit_tokens, ids, target, paths, scores)
        return paths[:count], scores[:count] * _LN_10

    def tokens_of(self, unit: int) -> list[int]:
        """The target tokens of a unit."""
        return [token for token in self.unit_tokens[unit].tolist() if token != PAD]


def _table(alignments: Alignments, source_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first unit of each source token and the end of the last, and the target tokens of each unit; the special
    tokens come first and have none."""
    specials = len(SPECIALS)
    starts = specials + np.searchsorted(alignments.sources, np.arange(source_size + 1))
    empty = np.zeros((specials, alignments.tokens.shape[1]), np.int64)
    return starts.astype(np.int64), np.concatenate([empty, alignments.tokens])


def _as_text(alignments: Alignments) -> TokenFile:
    """The units of the pairs as lines of words, with <eos> after each."""
    ends = alignments.offsets[1:]
    ids = np.insert(alignments.units + len(SPECIALS), ends, EOS).astype(np.uint32)
    return TokenFile(ids, alignments.offsets + np.arange(len(alignments.offsets)), 0, 0)
