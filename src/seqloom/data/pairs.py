"""Pairs of texts as data: a source and a target token file, line by line, with one shared vocabulary or two."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqloom.config import Settings, replaced_by
from seqloom.data.batches import Batch
from seqloom.data.corpus import Recipe
from seqloom.data.groups import group_of, named_groups
from seqloom.data.growth import grown_tokenizer, source_tokenizer
from seqloom.data.hallucination import Hallucination
from seqloom.data.length_limit import LengthLimit
from seqloom.data.line_batches import ALL_SORTED, Buckets, Resample, Row, line_batch, with_lengths
from seqloom.data.parallel import Parallel, ParallelWriter
from seqloom.data.readers.pairs import GroupedPair, Pair
from seqloom.data.text_codec import load_tokenizer, train_tokenizer
from seqloom.data.token_file import TokenFile, TokenFileWriter, UnknownTokens
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines

Kind = Literal["character", "word", "bpe", "unigram"]

_SAMPLE = 20_000
_FEW_WORDS = 1_000
_SINGLE_WORDS = 0.9


class PairTokenizerSettings(Settings):
    file: str = Field(
        "",
        description="a tokenizer from elsewhere for both sides, the path of a tokenizer.json; it replaces the "
        "other settings",
    )
    target_file: str = Field("", description="with file: another tokenizer.json for the target")
    kind: Literal["auto", "character", "word", "bpe", "unigram"] = Field(
        "auto",
        description="auto, for each side: character where lines are single words, word where there are at most 1,000 "
        "different ones (letters, phonemes, digits), else bpe",
        json_schema_extra=replaced_by("file"),
    )
    target_kind: Literal["same", "auto", "character", "word", "bpe", "unigram"] = Field(
        "same", description="the kind of the target, if it differs from the source",
        json_schema_extra=replaced_by("file"),
    )  # fmt: skip
    vocab_size: int = Field(
        0, ge=0, le=2**24, description="largest vocabulary; 0 is the kind's own (bpe: 8,000)",
        json_schema_extra=replaced_by("file"),
    )  # fmt: skip
    target_vocab_size: int = Field(
        0, ge=0, le=2**24, description="largest vocabulary of the target; 0 is that of the source",
        json_schema_extra=replaced_by("file"),
    )  # fmt: skip
    shared: bool = Field(True, description="one vocabulary for both sides, if they are of the same kind")
    min_count: int = Field(
        0, ge=0, description="rarer words and characters become <unk>; 0 is 2",
        json_schema_extra=replaced_by("file"),
    )  # fmt: skip
    lowercase: bool = Field(False, description="lowercase both sides first", json_schema_extra=replaced_by("file"))

    def side(self, kind: Kind, size: int, file: str = "") -> TokenizerSettings:
        if file:
            return TokenizerSettings(file=file)
        return TokenizerSettings(kind=kind, vocab_size=size, min_count=self.min_count, lowercase=self.lowercase)

    @model_validator(mode="after")
    def _both_sides_are_from_files(self) -> PairTokenizerSettings:
        if self.target_file and not self.file:
            raise RequestError("the source has no tokenizer", where="tokenizer.target_file", hint="set tokenizer.file")
        return self

    @property
    def cache_key(self) -> str:
        """What the tokenizers depend on besides the text: the settings, and the content of files."""
        if not self.file:
            return self.model_dump_json(exclude={"file", "target_file"})
        files = (self.file, self.target_file or self.file)
        return " ".join([*(TokenizerSettings(file=file).cache_key for file in files), str(self.shared)])


@dataclass(frozen=True)
class Pairs(Parallel[TokenFile, "PairCodec"]):
    """Line i of `source` and line i of `target` are a pair. A line of `text` is the pair and its group, with tabs."""

    def unknown(self) -> UnknownTokens:
        """The unknown tokens of the side with the larger share of them."""
        return max(self.source.unknown(), self.target.unknown(), key=lambda side: side.unknown / max(side.tokens, 1))

    @cached_property
    def _lines(self) -> list[list[str]]:
        return [line.split("\t") for line in read_lines(self.text)]

    @cached_property
    def pairs(self) -> list[Pair]:
        return [Pair(source, target) for source, target, _ in self._lines]

    @property
    def groups_of_sources(self) -> list[str] | None:
        """The group of each distinct source, that of its first pair; None where no pair is in a group."""
        groups: dict[str, str] = {}
        for source, _, group in self._lines:
            groups.setdefault(source, group)
        return named_groups(groups.values())


@dataclass(frozen=True)
class PairCodec:
    """The tokenizers of both sides, saved as `tokenizer.json` if they are the same, otherwise as a file each."""

    data_kind: ClassVar[str] = "pairs of texts"

    source: Tokenizer
    target: Tokenizer

    @property
    def shared(self) -> bool:
        return self.source is self.target

    @classmethod
    def load(cls, folder: Path) -> PairCodec:
        if (folder / "tokenizer.json").exists():
            tokenizer = load_tokenizer(folder / "tokenizer.json")
            return cls(tokenizer, tokenizer)
        return cls(*(load_tokenizer(folder / f"{side}_tokenizer.json") for side in ("source", "target")))

    def save(self, folder: Path) -> None:
        if self.shared:
            self.source.save(folder / "tokenizer.json")
            return
        self.source.save(folder / "source_tokenizer.json")
        self.target.save(folder / "target_tokenizer.json")

    def fingerprint(self) -> str:
        return self.source.to_json() if self.shared else self.source.to_json() + self.target.to_json()

    def facts(self) -> dict[str, int]:
        return {"vocab_size": self.target.vocab_size, "source_vocab_size": self.source.vocab_size}

    @property
    def source_tokenizer(self) -> Tokenizer:
        """The tokenizer of what a model reads."""
        return self.source

    def begin_from(self, earlier: Any) -> PairCodec:
        """A run of another task gives the tokenizer of the source alone."""
        source = grown_tokenizer(source_tokenizer(earlier, self), self.source)
        if not isinstance(earlier, PairCodec):
            return PairCodec(source, self.target)
        if earlier.shared:
            both = grown_tokenizer(source, self.target)
            return PairCodec(both, both)
        return PairCodec(source, grown_tokenizer(earlier.target, self.target))

    def writer(self, folder: Path) -> ParallelWriter[Pair]:
        return ParallelWriter(
            TokenFileWriter(folder / "source", self.source),
            TokenFileWriter(folder / "target", self.target),
            folder / "pairs.tsv",
            lambda pair: (pair.source, pair.target, f"{pair.source}\t{pair.target}\t{group_of(pair)}"),
        )

    def open(self, folder: Path) -> Pairs:
        source, target = (TokenFile.open(folder / side) for side in ("source", "target"))
        return Pairs(source, target, folder / "pairs.tsv", self)


def _reversed(pair: Pair) -> Pair:
    return GroupedPair(pair.target, pair.source).of_group(group_of(pair))


def pair_recipe(
    read: Callable[[str, str], Iterator[Pair]],
    settings: PairTokenizerSettings,
    reverse: bool = False,
    columns: str = "",
) -> Recipe[Pair, Pairs]:
    """How the pairs that `read` yields of a path and `columns` become two token files. `reverse`: the second column is
    the source."""

    def read_this_way(path: str) -> Iterator[Pair]:
        pairs = read(path, columns)
        return (_reversed(pair) for pair in pairs) if reverse else pairs

    def learn(pairs: Callable[[], Iterable[Pair]], where: str) -> PairCodec:
        return learn_tokenizers(pairs, settings, where)

    # Equal sources stay in one split: with several targets each, a test source would otherwise be known from training.
    key = f"{settings.cache_key} {reverse}"
    recipe = Recipe(read_this_way, learn, PairCodec.load, key, identity=lambda pair: pair.source)
    return recipe.depending_on(columns)


def learn_tokenizers(
    pairs: Callable[[], Iterable[Pair]], settings: PairTokenizerSettings, where: str | None = None
) -> PairCodec:
    """The tokenizers of both sides. Ids are ranked by frequency in the targets, which the softmax predicts.

    Raises RequestError for a smallest count where the tokens of both sides are subwords, of which none is rare.
    """
    if settings.min_count and {settings.kind, settings.target_kind} <= {"bpe", "unigram", "same"}:
        raise RequestError(
            "the setting changes nothing",
            where="tokenizer.min_count",
            got=f"{settings.min_count} with tokenizer.kind={settings.kind}",
            expected="character or word",
        )
    sample = list(itertools.islice(pairs(), _SAMPLE))
    if not sample:
        raise SeqloomError("there is nothing to train on", where=where, expected="at least one pair")
    target_setting = settings.kind if settings.target_kind == "same" else settings.target_kind
    source_kind = settings.kind if settings.kind != "auto" else kind_for([pair.source for pair in sample])
    target_kind = target_setting if target_setting != "auto" else kind_for([pair.target for pair in sample])
    source = settings.side(source_kind, settings.vocab_size, settings.file)
    target_size = settings.target_vocab_size or settings.vocab_size
    target = settings.side(target_kind, target_size, settings.target_file or settings.file)
    if settings.shared and source == target:
        both = (text for pair in pairs() for text in (pair.source, pair.target))
        tokenizer = train_tokenizer(both, source, where, ranked_by=(pair.target for pair in pairs()))
        return PairCodec(tokenizer, tokenizer)
    return PairCodec(
        train_tokenizer((pair.source for pair in pairs()), source, where),
        train_tokenizer((pair.target for pair in pairs()), target, where),
    )


def kind_for(lines: Sequence[str]) -> Kind:
    """character if nearly all lines are single words, word if there are few distinct words, otherwise bpe."""
    words = [line.split() for line in lines]
    if sum(len(line) == 1 for line in words) >= _SINGLE_WORDS * len(words):
        return "character"
    return "word" if len({word for line in words for word in line}) <= _FEW_WORDS else "bpe"


class PairLoader:
    """Batches of pairs of similar length: each side holds at most `tokens_per_batch` elements, padding included.
    A source ends with `<eos>`; a target is prepared as by `line_batch`. `limit`: what happens to longer pairs;
    `samplers`: what segments the words of each side anew, if anything; `hallucination`: what gives stems other letters,
    if anything."""

    def __init__(
        self,
        source: TokenFile,
        target: TokenFile,
        tokens_per_batch: int,
        seed: int | None,
        sort_within: int = ALL_SORTED,
        limit: LengthLimit | None = None,
        samplers: Sequence[Resample | None] = (None, None),
        hallucination: Hallucination | None = None,
    ) -> None:
        self.source, self.target, self._hallucination = source, target, hallucination
        self._limit, self._samplers = limit, samplers
        self._numbers = np.arange(target.num_lines)
        lengths: tuple[NDArray[np.int64], ...] = np.diff(target.offsets), np.diff(source.offsets)
        if limit is not None:
            self._numbers, lengths = limit.select(lengths, "pairs")
        self._buckets = Buckets(lengths, tokens_per_batch, seed, sort_within=sort_within)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        numbers = self._numbers[self._buckets.epoch(epoch)[step]]
        sources: Sequence[Row] = self.source.rows(numbers)
        targets: Sequence[Row] = self.target.rows(numbers)
        if self._hallucination is not None:
            sources, targets = self._hallucination(numbers, sources, targets, epoch, step)
        if self._limit is not None:
            sources, targets = self._limit.cut(sources), self._limit.cut(targets)
        resample_source, resample_target = self._samplers
        if resample_source is not None:
            sources = resample_source(sources, epoch, step)
        if resample_target is not None:
            targets = resample_target(targets, epoch, step)
        source, lengths = with_lengths(sources)
        return line_batch(targets)._replace(source=source, source_lengths=lengths)
