"""How examples with a tag for each element become data: sentences, or sequences of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from seqloom.data.corpus import Recipe, encode
from seqloom.data.example import content
from seqloom.data.input_source import content_hash
from seqloom.data.readers.conll import Sentence, Target
from seqloom.data.readers.tagged import inputs_of
from seqloom.data.readers.tagged_steps import TaggedSteps
from seqloom.data.tagged import TagCodec, TaggedFile
from seqloom.data.tagged_frames import FrameTagCodec
from seqloom.data.word_vocabularies import VocabularySettings
from seqloom.errors import SeqloomError
from seqloom_portable.word_features import separate

TaggedExample = Sentence | TaggedSteps


def tag_recipe(
    read: Callable[[str], Iterator[TaggedExample]],
    vocabulary: VocabularySettings,
    target: object,
    raw: str = "",
    features: tuple[Target, ...] = (),
) -> Recipe[Any, Any]:
    """How the examples that `read` yields become numbers. `target`: the columns that are read, part of the cache key.
    `raw`: a file of sentences without tags, whose words are learnt too. `features`: the columns of the features of
    words."""

    def learn(examples: Callable[[], Iterable[TaggedExample]], where: str) -> TagCodec | FrameTagCodec:
        stream = iter(examples())
        first = next(stream, None)
        if first is None:
            expected = "at least one sentence, or sequence of numbers"
            raise SeqloomError("there is nothing to train on", where=where, expected=expected)
        if isinstance(first, TaggedSteps):
            return FrameTagCodec.learn(cast(Callable[[], Iterable[TaggedSteps]], examples), where)
        sentences = cast(Iterable[Sentence], itertools.chain([first], stream))
        of_raw = (sentence.words for sentence in _raw(raw, features)) if raw else ()
        return TagCodec.learn(sentences, vocabulary, where, of_raw, len(features))

    def identity(example: TaggedExample) -> str:
        """Equal sentences stay in one split, whatever their tags and features are."""
        if isinstance(example, TaggedSteps):
            return content(example.frames)
        return "\t".join(separate(form, len(features))[0] for form in example.words)

    return Recipe(
        read,
        learn,
        load_tag_codec,
        f"tag {vocabulary.model_dump_json()} {target!r} {features!r} {_content(raw)}",
        identity=identity,
        check=lambda codec, where: codec.labels.check_several(where),
    )


def raw_file(path: str, codec: Any, cache: Path, features: tuple[Target, ...] = ()) -> TaggedFile:
    """The sentences without tags of a file, cached. Raises SeqloomError if there is none."""
    recipe: Recipe[Any, Any] = Recipe(
        lambda file: _raw(file, features),
        _learns_nothing,
        load_tag_codec,
        f"tag, raw text {features!r}",
        identity=lambda sentence: "\t".join(sentence.words),
    )
    data: TaggedFile = encode(path, recipe, codec, cache)
    if not data.num_lines:
        raise SeqloomError("there is no sentence", where=f"{path}, data.raw", expected="one sentence on each line")
    return data


def _raw(path: str, features: tuple[Target, ...]) -> Iterator[Sentence]:
    """Plain text or, without their tags, CoNLL and CoNLL-U."""
    for words in inputs_of(path, features=features):
        if words:
            yield Sentence(cast(tuple[str, ...], words), ("",) * len(words))


def _learns_nothing(examples: Callable[[], Iterable[Sentence]], where: str) -> Any:
    raise NotImplementedError("the codec is that of the sentences with tags")


def _content(raw: str) -> str:
    """What a cached vocabulary depends on."""
    try:
        return content_hash(raw) if raw else ""
    except SeqloomError:  # it may be gone once the run is trained, and is missed where it is read
        return raw


def load_tag_codec(folder: Path) -> TagCodec | FrameTagCodec:
    kind = FrameTagCodec if FrameTagCodec.is_in(folder) else TagCodec
    return kind.load(folder)
