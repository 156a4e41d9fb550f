"""How examples with a tag for each element become data: sentences, or sequences of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from seqloom.data.corpus import Recipe
from seqloom.data.example import content
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged_steps import TaggedSteps
from seqloom.data.tagged import TagCodec
from seqloom.data.tagged_frames import FrameTagCodec
from seqloom.data.word_vocabularies import VocabularySettings
from seqloom.errors import SeqloomError

TaggedExample = Sentence | TaggedSteps


def tag_recipe(
    read: Callable[[str], Iterator[TaggedExample]], vocabulary: VocabularySettings, target: object
) -> Recipe[Any, Any]:
    """How the examples that `read` yields become numbers. `target`: the column of the tags, part of the cache key."""

    def learn(examples: Callable[[], Iterable[TaggedExample]], where: str) -> TagCodec | FrameTagCodec:
        stream = iter(examples())
        first = next(stream, None)
        if first is None:
            expected = "at least one sentence, or sequence of numbers"
            raise SeqloomError("there is nothing to train on", where=where, expected=expected)
        if isinstance(first, TaggedSteps):
            return FrameTagCodec.learn(cast(Callable[[], Iterable[TaggedSteps]], examples), where)
        return TagCodec.learn(cast(Iterable[Sentence], itertools.chain([first], stream)), vocabulary, where)

    # Equal sentences stay in one split, whatever their tags are.
    return Recipe(
        read,
        learn,
        load_tag_codec,
        f"tag {vocabulary.model_dump_json()} {target!r}",
        identity=lambda e: content(e.frames) if isinstance(e, TaggedSteps) else "\t".join(e.words),
        check=lambda codec, where: codec.labels.check_several(where),
    )


def load_tag_codec(folder: Path) -> TagCodec | FrameTagCodec:
    kind = FrameTagCodec if FrameTagCodec.is_in(folder) else TagCodec
    return kind.load(folder)
