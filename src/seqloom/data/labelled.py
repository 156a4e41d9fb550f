"""Labelled texts or sequences of numbers as data: the inputs in one file, the class ids in another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from seqloom.data.corpus import Recipe
from seqloom.data.example import Frames, Labelled, Source, content
from seqloom.data.frames import FrameCodec, FrameFile
from seqloom.data.groups import group_of, named_groups
from seqloom.data.growth import other_data
from seqloom.data.labels import Labels
from seqloom.data.target_file import TargetFile, TargetWriter
from seqloom.data.targets import ClassTargets, TargetKind, Targets, learn_targets, read_targets
from seqloom.data.text_codec import TextCodec, train_tokenizer
from seqloom.data.token_file import TokenFile, UnknownTokens
from seqloom.data.tokenizer import EOS, SPECIALS, Tokenizer, TokenizerSettings, shown_token
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder, read_lines
from seqloom.storage.flat_file import LineFileWriter

_LABELS = "labels.json"


@dataclass(frozen=True)
class LabelledData:
    """Example i is row i of `sources`, and its target is row i of `targets`. `text`: a file with a line for each
    example: the target, the text, which is empty for numbers, and the group, separated by tabs."""

    sources: TokenFile | FrameFile
    targets: TargetFile
    text: Path
    codec: LabelledCodec

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def num_lines(self) -> int:
        return len(self.targets)

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """The id of the label of each example, or `UNSEEN`, where each has one."""
        return self.targets.numbers

    def unknown(self) -> UnknownTokens:
        return self.sources.unknown() if isinstance(self.sources, TokenFile) else UnknownTokens(0, 0)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The length of each example: tokens, `<eos>` included, or steps."""
        return np.diff(self.sources.offsets)

    @cached_property
    def _lines(self) -> list[list[str]]:
        return [line.split("\t") for line in read_lines(self.text)]

    @property
    def labels(self) -> list[str]:
        """The target of each example as text: its label, seen in training or not; its labels; its number."""
        return [label for label, _, _ in self._lines]

    @property
    def groups(self) -> list[str] | None:
        """The group of each example; None where none is in a group."""
        return named_groups(group for _, _, group in self._lines)

    def shown(self, number: int) -> str:
        """An example as a person reads it: its text, or its number and length."""
        if isinstance(self.sources, TokenFile):
            return self._lines[number][1]
        return f"sequence {number + 1} of {len(self)}, {self.lengths[number]} steps"


class ExtraVocabulary(NamedTuple):
    """Words that are known besides those of the training data. `read` returns them; equal words have an equal
    `mark`."""

    mark: str
    read: Callable[[], Sequence[str]]


@dataclass(frozen=True)
class LabelledCodec:
    """The targets (`labels.json`), and the tokenizer or the channel scales that turn sources into numbers."""

    data_kind: ClassVar[str] = "examples with labels"

    targets: Targets
    sources: TextCodec | FrameCodec

    @classmethod
    def load(cls, folder: Path) -> LabelledCodec:
        kind = TextCodec if (folder / "tokenizer.json").exists() else FrameCodec
        return cls(read_targets(folder / _LABELS), kind.load(folder))

    def save(self, folder: Path) -> None:
        self.targets.save(folder / _LABELS)
        self.sources.save(folder)

    def fingerprint(self) -> str:
        if isinstance(self.targets, ClassTargets):
            return "\0".join([*self.labels.names, self.sources.fingerprint()])  # that of earlier runs
        return "\0".join([json.dumps(self.targets.to_json()), self.sources.fingerprint()])

    def facts(self) -> dict[str, int]:
        return {**self.sources.facts(), **self.targets.facts()}

    def begin_from(self, earlier: Any) -> LabelledCodec:
        """Numbers are scaled as in the earlier run."""
        if not self.reads_text:
            if not isinstance(earlier, LabelledCodec) or earlier.reads_text or earlier.channels != self.channels:
                raise other_data(earlier, self)
            return LabelledCodec(self._targets_after(earlier), earlier.sources)
        return LabelledCodec(self._targets_after(earlier), cast(TextCodec, self.sources).begin_from(earlier))

    def _targets_after(self, earlier: Any) -> Targets:
        if not isinstance(earlier, LabelledCodec):
            return self.targets
        if earlier.targets.kind != self.targets.kind:
            raise RequestError(
                "a run initialised from another predicts what that does",
                where="data.target",
                got=self.targets.kind,
                expected=earlier.targets.kind,
            )
        return self.targets.after(earlier.targets)

    @property
    def labels(self) -> Labels:
        """The labels that can be predicted; none if numbers are."""
        return self.targets.labels

    @property
    def source_tokenizer(self) -> Tokenizer | None:
        """The tokenizer of what a model reads."""
        return self.tokenizer

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer, if the sources are texts."""
        return self.sources.tokenizer if isinstance(self.sources, TextCodec) else None

    @property
    def reads_text(self) -> bool:
        return isinstance(self.sources, TextCodec)

    @property
    def channels(self) -> int:
        return self.sources.channels if isinstance(self.sources, FrameCodec) else 0

    def check(self, source: Source) -> None:
        """Raises RequestError if the source is text and the model reads numbers, or the other way round."""
        if self.reads_text != isinstance(source, str):
            names = "text", "sequences of numbers"
            raise RequestError(
                f"the model reads {names[not self.reads_text]}",
                got=names[self.reads_text],
                hint="files named .ts or .csv hold numbers, all others text",
            )

    def rows(self, sources: Sequence[Source], by_steps: bool) -> list[NDArray[Any]]:
        """The input of a model for each source: ids with `<eos>`, or scaled frames. If a vector has one number more
        than those of the training data, its last number is the label, which is left out. `by_steps`: see `along`."""
        for source in sources:
            self.check(source)
        if isinstance(self.sources, TextCodec):
            return [np.array([*ids, EOS]) for ids in self.sources.tokenizer.encode(cast(Sequence[str], sources))]
        numbers = [self.sources.numbers(source) for source in sources]
        return [self.sources.scale(self._frames(array, by_steps)) for array in numbers]

    def _frames(self, numbers: NDArray[Any], by_steps: bool) -> Frames:
        codec = cast(FrameCodec, self.sources)
        if numbers.ndim == 1:
            numbers = numbers[None] if by_steps or codec.channels > 1 else numbers[:, None]
        if len(numbers) == 1 and numbers.shape[1] == (codec.length if by_steps else codec.channels) + 1 > 1:
            numbers = numbers[:, :-1]
        return along(numbers) if by_steps else numbers

    def shown(self, row: NDArray[Any]) -> list[str]:
        """A name for each element of a row: its token, or the number of the step."""
        if isinstance(self.sources, TextCodec):
            return [shown_token(self.sources.tokenizer, int(i)) for i in row]
        return [str(step) for step in range(1, len(row) + 1)]

    def says_something(self, row: NDArray[Any]) -> bool:
        """Whether the row contains more than special tokens."""
        return len(row) > 0 and (not self.reads_text or bool((row >= len(SPECIALS)).any()))

    def writer(self, folder: Path) -> LabelledWriter:
        return LabelledWriter(folder, self)

    def open(self, folder: Path) -> LabelledData:
        targets = TargetFile.open(folder)
        return LabelledData(self.sources.open(folder / "sources"), targets, folder / "text.tsv", self)


class LabelledWriter:
    """Writes sources, targets and text into `folder`."""

    def __init__(self, folder: Path, codec: LabelledCodec) -> None:
        make_folder(folder)
        self._codec = codec
        self._sources = codec.sources.writer(folder / "sources")
        self._targets = TargetWriter(folder, codec.targets)
        self._text = LineFileWriter(folder / "text.tsv")

    def add(self, examples: list[Labelled]) -> None:
        for example in examples:
            self._codec.check(example.source)
        self._sources.add([example.source for example in examples])  # type: ignore[misc]
        self._targets.add([example.label for example in examples])
        texts = [source if isinstance(source, str) else "" for _, source in examples]
        self._text.add(f"{e.label}\t{text}\t{group_of(e)}" for e, text in zip(examples, texts, strict=True))

    def finish(self) -> None:
        self._sources.finish()
        self._text.close()
        self._targets.finish()

    def discard(self) -> None:
        self._text.discard()
        self._sources.discard()


def labelled_recipe(
    read: Callable[[str], Iterator[Labelled]],
    settings: TokenizerSettings,
    by_steps: bool = False,
    more: ExtraVocabulary | None = None,
    target: TargetKind = "class",
    separator: str = "",
) -> Recipe[Labelled, LabelledData]:
    """How the examples that `read` yields become data. `settings`: the tokenizer of texts; `more`: words added to the
    vocabulary of a word tokenizer. `by_steps`: see `along`. `separator`: that of sets of labels; empty: recognised."""

    def read_along(path: str) -> Iterator[Labelled]:
        for example in read(path):
            is_along = by_steps and not isinstance(example.source, str)
            yield Labelled(example.label, along(example.source)) if is_along else example  # type: ignore[arg-type]

    def learn(examples: Callable[[], Iterable[Labelled]], where: str) -> LabelledCodec:
        first = next(iter(examples()), None)
        if first is None:
            raise SeqloomError("there is nothing to train on", where=where, expected="at least two labelled examples")
        targets = learn_targets((example.label for example in examples()), target, separator, where)
        sources = (example.source for example in examples())
        if isinstance(first.source, str):
            tokenizer = train_tokenizer(sources, settings, where)  # type: ignore[arg-type]
            if more is not None and settings.kind == "word" and not settings.file:
                tokenizer = tokenizer.with_words(more.read(), settings.most_tokens)
            return LabelledCodec(targets, TextCodec(tokenizer))
        return LabelledCodec(targets, FrameCodec.learn(sources))  # type: ignore[arg-type]

    key = f"{settings.cache_key} {by_steps} {more.mark if more is not None else ''}"
    key += "" if target == "class" else f" {target} {separator!r}"
    return Recipe(
        read_along,
        learn,
        LabelledCodec.load,
        key,
        identity=lambda example: content(example.source),
        # Numbers and sets of labels are as many as examples: chance alone keeps their proportions.
        stratum=lambda example: example.label if target == "class" else "",
        check=lambda codec, where: codec.targets.check(where),
    )


def along(frames: Frames) -> Frames:
    """A single vector as a sequence with one number per step; sequences stay as they are."""
    return frames.reshape(-1, 1) if len(frames) == 1 else frames
