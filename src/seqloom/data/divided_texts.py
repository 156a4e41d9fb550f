"""The texts of each part of the data with their places in the files, to look for near duplicates across parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.data.corpus import Recipe, Sources, codec_and_splits
from seqloom.data.input_source import content_hash, files_of, rereadable
from seqloom.data.splits import Split


class PlacedText(NamedTuple):
    """The identity of an example, its file, and its number among the examples of this file, from 1."""

    text: str
    file: str
    number: int


def divided_texts(sources: Sources, recipe: Recipe[Any, Any], cache: Path) -> dict[Split, list[PlacedText]]:
    """The identities of the examples of each part; nothing of a text that is split by position."""
    rule = sources.rule()
    data = rereadable(sources.data, cache)
    _, splits = codec_and_splits(data, content_hash(data), recipe, rule, cache, where=sources.data)
    parts: dict[Split, list[PlacedText]] = {split: [] for split in ("train", *rule.shares)}
    if splits.stretches:
        return parts
    for example, file, number in _placed_examples(data, recipe):
        parts[splits.split_of(recipe.unit(example))].append(PlacedText(recipe.identity(example), file, number))
    for split, path in (("valid", sources.valid), ("test", sources.test)):
        if path is not None:
            placed = _placed_examples(rereadable(path, cache), recipe)
            texts = [PlacedText(recipe.identity(example), file, number) for example, file, number in placed]
            parts[split] = texts  # type: ignore[index]
    return parts


def _placed_examples(path: str, recipe: Recipe[Any, Any]) -> Iterator[tuple[Any, str, int]]:
    """Yields each example, its file, and its number there."""
    for file in files_of(path):
        for number, example in enumerate(recipe.read(file), 1):
            yield example, file, number
