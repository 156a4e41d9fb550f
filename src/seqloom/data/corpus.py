"""From the user's files to numbers on disk: splits by content hash, one codec, all cached by what it depends on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from seqloom.data.input_source import rereadable
from seqloom.data.token_file import UnknownTokens, batches
from seqloom.errors import SeqloomError, collected_warnings, warn, warn_again
from seqloom.files import hashed_reads, reading, writing
from seqloom.storage.folder import facts_of, is_whole, new_folder

Split = Literal["train", "valid", "test"]

_MOST_UNKNOWN, _FEW_TOKENS = 0.2, 1_000
_FORMAT = 3  # raised when the layout of cached files changes


@runtime_checkable
class Data(Protocol):
    """Examples as numbers. `len` is 0 where there is nothing to score."""

    def __len__(self) -> int: ...

    @property
    def num_lines(self) -> int: ...


@runtime_checkable
class CountsUnknown(Protocol):
    """Data in which tokens may be unknown."""

    def unknown(self) -> UnknownTokens: ...


Example = TypeVar("Example")
Stored = TypeVar("Stored", bound=Data)
StoredOut = TypeVar("StoredOut", bound=Data, covariant=True)


class Writer(Protocol[Example]):
    """Writes examples as numbers into a folder."""

    def add(self, examples: list[Example]) -> None: ...

    def finish(self) -> None:
        """Writes what is left, and closes the files."""
        ...

    def discard(self) -> None:
        """Closes the files, where something failed."""
        ...


class SavedCodec(Protocol):
    """What a run's folder keeps of its data besides the model."""

    def save(self, folder: Path) -> None: ...

    def fingerprint(self) -> str:
        """The same for those that do the same."""
        ...

    def facts(self) -> dict[str, int]:
        """Its sizes, for the run's summary."""
        ...


class Codec(SavedCodec, Protocol[Example, StoredOut]):
    """What turns examples into numbers and back: learnt from the training split, kept in the run's folder."""

    def writer(self, folder: Path) -> Writer[Example]: ...
    def open(self, folder: Path) -> StoredOut: ...


@dataclass(frozen=True)
class Recipe(Generic[Example, Stored]):
    """How a task's files become data.

    `read` yields the examples of a path. `learn` makes the codec: it is given what yields the training examples (as
    often as it is called) and where they are from. `load` finds a codec that was saved in a folder. `settings` says
    all else that the outcome depends on. Examples of one `identity` fall on the same side of a split.
    """

    read: Callable[[str], Iterator[Example]]
    learn: Callable[[Callable[[], Iterable[Example]], str], Codec[Example, Stored]]
    load: Callable[[Path], Codec[Example, Stored]]
    settings: str
    identity: Callable[[Example], str]


class SyntheticSource(Protocol):
    """The same for data that is drawn, not read: what a user names is no file, and nothing is cached."""

    def load(self, folder: Path) -> SavedCodec: ...
    def prepare(self, sources: Sources) -> Corpus[Any, Any]: ...
    def encode(self, name: str, codec: Any) -> Any: ...

    def fingerprint(self, name: str) -> str:
        """The same for names that stand for the same."""
        ...


@dataclass(frozen=True)
class Sources:
    """Where the text is. A missing `valid` or `test` is cut from `data` by content hash, 5 % each; where only `valid`
    is given, nothing is held out for a test."""

    data: str
    valid: str | None = None
    test: str | None = None

    def shares(self) -> dict[Split, float]:
        """The parts of `data` that are held out."""
        shares: dict[Split, float] = {}
        if self.valid is None:
            shares["valid"] = 0.05
            if self.test is None:
                shares["test"] = 0.05
        return shares


@dataclass(frozen=True)
class Corpus(Generic[Example, Stored]):
    """A codec and the splits that there are."""

    codec: SavedCodec
    train: Stored
    valid: Stored
    test: Stored | None


def split_of(identity: str, shares: Mapping[Split, float]) -> Split:
    """The split that an example falls in: a function of its content alone, so equal examples fall on the same side."""
    if not shares:
        return "train"
    position = int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest()) / 2**64
    for split, share in shares.items():
        if position < share:
            return split
        position -= share
    return "train"


def prepare(
    sources: Sources, recipe: Recipe[Example, Stored] | SyntheticSource, cache: Path
) -> Corpus[Example, Stored]:
    """Reads, splits and encodes, or finds what an earlier call with equal content and settings left in `cache`.

    Raises SeqloomError where a split that training needs holds nothing.
    """
    if not isinstance(recipe, Recipe):
        return recipe.prepare(sources)
    shares = sources.shares()
    data = rereadable(sources.data, cache)
    content = content_hash(data)
    codec = recipe.load(_learn(data, content, recipe, shares, cache, where=sources.data))
    parts = _encode_splits(data, content, recipe, shares, codec, cache)
    for split, path in (("valid", sources.valid), ("test", sources.test)):
        if path is not None:
            parts[split] = encode(path, recipe, codec, cache)  # type: ignore[index]
    if not len(parts["valid"]):
        raise SeqloomError(
            "there is no text to validate on",
            where=sources.valid or sources.data,
            got=f"{sum(part.num_lines for part in parts.values())} lines in all",
            expected="at least one line in every split",
            hint="give more text, or a file of its own with --valid",
        )
    test = parts.get("test")
    return Corpus(codec, parts["train"], parts["valid"], test if test is not None and len(test) else None)


def _learn(
    data: str, content: str, recipe: Recipe[Example, Stored], shares: Mapping[Split, float], cache: Path, where: str
) -> Path:
    """The folder of the codec that is learnt from the training examples of `data`."""

    def training_examples() -> Iterator[Example]:
        return (x for x in recipe.read(data) if split_of(recipe.identity(x), shares) == "train")

    folder = cache / _key("codec", content, recipe.settings, json.dumps(shares))
    with _cached(folder, data, content) as temporary:
        if temporary is not None:
            recipe.learn(training_examples, where).save(temporary)
    return folder


def encode(
    path: str, recipe: Recipe[Example, Stored] | SyntheticSource, codec: Codec[Example, Stored], cache: Path
) -> Stored:
    """The whole of one file, cached."""
    if not isinstance(recipe, Recipe):
        return recipe.encode(path, codec)
    path = rereadable(path, cache)
    return _encode_splits(path, content_hash(path), recipe, {}, codec, cache)["train"]


def _encode_splits(
    path: str,
    content: str,
    recipe: Recipe[Example, Stored],
    shares: Mapping[Split, float],
    codec: Codec[Example, Stored],
    cache: Path,
) -> dict[Split, Stored]:
    splits: list[Split] = ["train", *shares]
    folder = cache / _key("data", content, recipe.settings, json.dumps(shares), codec.fingerprint())
    with _cached(folder, path, content) as temporary, ExitStack() as open_writers:
        if temporary is not None:
            writers = {split: codec.writer(temporary / split) for split in splits}
            for writer in writers.values():
                open_writers.callback(writer.discard)
            for batch in batches(recipe.read(path)):
                by_split: dict[Split, list[Example]] = {split: [] for split in splits}
                for example in batch:
                    by_split[split_of(recipe.identity(example), shares)].append(example)
                for split, examples in by_split.items():
                    writers[split].add(examples)
            for writer in writers.values():
                writer.finish()
            _warn_of_unknown(codec.open(temporary / "train"), path)
    return {split: codec.open(folder / split) for split in splits}


def _warn_of_unknown(data: Data, path: str) -> None:
    if not isinstance(data, CountsUnknown):
        return
    unknown, tokens = data.unknown()
    if tokens >= _FEW_TOKENS and unknown > _MOST_UNKNOWN * tokens:
        warn(
            "many tokens of the text are not in the vocabulary; all of them count as one, <unk>",
            where=path,
            got=f"{unknown:,} of {tokens:,} tokens ({unknown / tokens:.0%})",
            expected=f"up to {_MOST_UNKNOWN:.0%}",
            hint="tokenizer.kind=bpe knows every text, also one without whitespace between words",
        )


@contextmanager
def _cached(folder: Path, path: str, content: str) -> Iterator[Path | None]:
    """A temporary folder to write what is made of the file `path` into, which then becomes `folder`; None where that is
    there already and whole. What was warned of when it was made is warned of again.

    Raises SeqloomError where the file, whose hash was `content`, changed while it was read.
    """
    if is_whole(folder):
        warn_again(facts_of(folder)["warnings"])
        yield None
        return
    if folder.exists():
        warn("what the cache holds of this file is damaged, and is made anew", where=path, got=str(folder))
        with writing(folder):
            shutil.rmtree(folder)
    facts: dict[str, Any] = {}
    with new_folder(folder, facts) as temporary:
        with hashed_reads(path) as hashes, collected_warnings() as messages:
            yield temporary
        facts["warnings"] = messages
        if any(seen != content for seen in hashes or [content_hash(path)]):
            raise SeqloomError(
                "the file changed while it was read", where=path, hint="try again when nothing writes to it"
            )


def content_hash(path: str) -> str:
    with reading(path), Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def clear(cache: Path) -> None:
    """Forgets every prepared corpus."""
    shutil.rmtree(cache, ignore_errors=True)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([str(_FORMAT), *parts]).encode()).hexdigest()[:24]
