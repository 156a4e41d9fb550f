"""The answers of a tagger: tags of sentences, and of sequences of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqloom.data.batches import Batch
from seqloom.data.example import Frames
from seqloom.data.frames import parse_numbers
from seqloom.data.lexicon import Lexicon, Numbering
from seqloom.data.tagged import TagCodec
from seqloom.data.tagged_frames import FrameTagCodec, frame_batch
from seqloom.decoding.tagging import LabelIds, Row, StepTags, TaggedWords, tag_rows
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.tag_inputs import Input, words_of
from seqloom_portable.spans import scheme_of, spans


def tagged_sentences(
    trained: Trained, sentences: Sequence[tuple[str, ...]], known: Sequence[LabelIds | None], proba: bool
) -> Iterator[Sequence[TaggedWords]]:
    """The words of the answers are without their features."""
    codec = cast(TagCodec, trained.codec)
    names, spelling = codec.labels.names, codec.spelling
    scheme = scheme_of(names)
    rows, lexicon = _numbered(sentences, trained)
    nonempty = [place for place, row in enumerate(rows) if len(row)]
    known_of_rows = (known[place] for place in nonempty)
    tagged = tag_rows(trained.model, (rows[place] for place in nonempty), lexicon.batch, trained.device, known_of_rows)
    for words in sentences:
        ids, probabilities = next(tagged) if words else (np.zeros(0, np.int64), np.zeros(0, np.float32))
        tags = [names[i] for i in ids]
        plain = tuple(spelling.separate(word)[0] for word in words)
        marked = spans(tags, scheme) if scheme is not None else None
        yield [TaggedWords(plain, tags, probabilities.tolist(), marked, proba)]


def tagged_steps_of(trained: Trained, rows: Sequence[Frames], proba: bool) -> Iterator[Sequence[StepTags]]:
    names = cast(FrameTagCodec, trained.codec).labels.names
    scheme = scheme_of(names)
    for ids, probabilities in tag_rows(trained.model, rows, frame_batch, trained.device):
        tags = [names[i] for i in ids]
        marked = None if scheme is None else spans(tags, scheme)
        yield [StepTags(tags, probabilities.tolist(), marked, proba)]


def sequences_of(
    trained: Trained, inputs: Sequence[Input | Frames]
) -> tuple[list[Row], Callable[[Sequence[Row]], Batch], list[bool]]:
    """What a network reads of each input, what makes a batch of it, and whether the input has elements."""
    if isinstance(trained.codec, FrameTagCodec):
        return [*trained.codec.rows(inputs)], frame_batch, [True] * len(inputs)
    sentences = [words_of(sentence) for sentence in cast(Sequence[Input], inputs)]
    rows, lexicon = _numbered([words or ("",) for words in sentences], trained)
    return [*rows], lexicon.batch, [bool(words) for words in sentences]


def element_batch(element: str, codec: TagCodec | FrameTagCodec) -> Batch:
    """A batch of one word, or of the numbers of one step, separated by commas or whitespace."""
    if isinstance(codec, TagCodec):
        return Lexicon.of([element], codec.spelling).batch([np.zeros(1, np.int64)])
    numbers = parse_numbers(element.replace(",", " ").split(), "a line")
    return frame_batch([codec.frames.scale(numbers[None].astype(np.float32))])


def _numbered(sentences: Sequence[Sequence[str]], trained: Trained) -> tuple[list[NDArray[Any]], Lexicon]:
    """The sentences as indices of their distinct words."""
    numbering = Numbering()
    rows = [np.array(numbering.of(words), dtype=np.int64) for words in sentences]
    return rows, Lexicon.of(list(numbering.numbers), trained.codec.spelling)
