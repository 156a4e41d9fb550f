"""From the user's files to token files: splits by content hash, one tokenizer, all cached by what it depends on."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seqloom.data.token_file import TokenFile, TokenFileWriter, batches
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings
from seqloom.errors import SeqloomError
from seqloom.files import STANDARD_INPUT, make_folder, reading, writing

Split = Literal["train", "valid", "test"]
Read = Callable[[str], Iterator[str]]

_FORMAT = 1  # raised when the layout of cached files changes


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
class Corpus:
    """A tokenizer and the token files of the splits that there are."""

    tokenizer: Tokenizer
    train: TokenFile
    valid: TokenFile
    test: TokenFile | None


def split_of(example: str, shares: Mapping[Split, float]) -> Split:
    """The split that `example` falls in: a function of its content alone, so equal examples fall on the same side."""
    if not shares:
        return "train"
    position = int.from_bytes(hashlib.blake2b(example.encode(), digest_size=8).digest()) / 2**64
    for split, share in shares.items():
        if position < share:
            return split
        position -= share
    return "train"


def prepare(sources: Sources, read: Read, settings: TokenizerSettings, cache: Path) -> Corpus:
    """Reads, splits and tokenizes, or finds what an earlier call with equal content and settings left in `cache`.

    Raises SeqloomError where a split that training needs holds no text.
    """
    shares = sources.shares()
    data = keep_standard_input(sources.data, cache)
    key = _key(content_hash(data), settings.model_dump_json(), json.dumps(shares))
    folder = make_folder(cache / key)
    tokenizer_path = folder / "tokenizer.json"
    if tokenizer_path.exists():
        tokenizer = Tokenizer.load(tokenizer_path)
    else:
        tokenizer = Tokenizer.train((x for x in read(data) if split_of(x, shares) == "train"), settings, sources.data)
        tokenizer.save(tokenizer_path)
    parts = _tokenize_splits(data, read, shares, tokenizer, folder)
    for split, path in (("valid", sources.valid), ("test", sources.test)):
        if path is not None:
            parts[split] = tokenize(path, read, tokenizer, cache)  # type: ignore[index]
    if not len(parts["valid"]):
        raise SeqloomError(
            "there is no text to validate on",
            where=sources.valid or sources.data,
            got=f"{sum(part.num_lines for part in parts.values())} lines in all",
            expected="at least one line in every split",
            hint="give more text, or a file of its own with --valid",
        )
    test = parts.get("test")
    return Corpus(tokenizer, parts["train"], parts["valid"], test if test is not None and len(test) else None)


def tokenize(path: str, read: Read, tokenizer: Tokenizer, cache: Path) -> TokenFile:
    """The whole of one file as a token file, cached."""
    path = keep_standard_input(path, cache)
    folder = make_folder(cache / _key(content_hash(path), tokenizer.to_json()))
    return _tokenize_splits(path, read, {}, tokenizer, folder)["train"]


def _tokenize_splits(
    path: str, read: Read, shares: Mapping[Split, float], tokenizer: Tokenizer, folder: Path
) -> dict[Split, TokenFile]:
    splits: list[Split] = ["train", *shares]
    if all((folder / split).exists() for split in splits):
        return {split: TokenFile.open(folder / split) for split in splits}
    writers = {split: TokenFileWriter(folder / split, tokenizer) for split in splits}
    try:
        for batch in batches(read(path)):
            by_split: dict[Split, list[str]] = {split: [] for split in splits}
            for example in batch:
                by_split[split_of(example, shares)].append(example)
            for split, examples in by_split.items():
                writers[split].add(examples)
        return {split: writer.finish() for split, writer in writers.items()}
    finally:
        for writer in writers.values():
            writer.discard()


def keep_standard_input(path: str, cache: Path) -> str:
    """`path`, or for `-` a file that holds what standard input gave, since it is read more than once."""
    if path != STANDARD_INPUT:
        return path
    content = sys.stdin.buffer.read()
    kept = make_folder(cache) / f"stdin-{hashlib.sha256(content).hexdigest()[:16]}.txt"
    with writing(kept):
        kept.write_bytes(content)
    return str(kept)


def content_hash(path: str) -> str:
    with reading(path), Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def clear(cache: Path) -> None:
    """Forgets every tokenized corpus."""
    shutil.rmtree(cache, ignore_errors=True)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([str(_FORMAT), *parts]).encode()).hexdigest()[:24]
