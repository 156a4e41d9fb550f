"""Text to token ids and back: characters, words, byte-pair or unigram pieces, all through one `tokenizer.json`.

Ids 0 to 3 are `<pad> <unk> <sos> <eos>`; from 4 on, ids stand in order of falling frequency in the training text, which
the adaptive softmax builds on.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import tokenizers
from pydantic import Field
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from seqloom.config import Settings
from seqloom.data.words import EncodedLines, WordCounter, WordTable, encode_lines
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import write_atomic

SPECIALS = ("<pad>", "<unk>", "<sos>", "<eos>")
PAD, UNK, SOS, EOS = range(4)

_DEFAULT_SIZES = {"character": 10_000, "word": 50_000, "bpe": 8_000, "unigram": 8_000}
_LINES_AT_ONCE = 4_096
_LINES_TO_RANK_BY = 200_000


class TokenizerSettings(Settings):
    kind: Literal["character", "word", "bpe", "unigram"] = Field(
        "word", description="character, word (as separated by blanks), bpe (of bytes) or unigram pieces"
    )
    vocab_size: int = Field(0, ge=0, le=2**24, description="largest vocabulary; 0 is the kind's own (word: 50,000)")
    min_count: int = Field(
        0, ge=0, description="rarer words and characters become <unk>; 0: 1 where the text marks its own <unk>, else 2"
    )
    lowercase: bool = Field(False, description="lower-case the text first")
    punctuation: bool = Field(False, description="word: punctuation marks are words of their own")

    @property
    def most_tokens(self) -> int:
        return self.vocab_size or _DEFAULT_SIZES[self.kind]


class Tokenizer:
    """A trained tokenizer: `encode` and `decode`, and the vocabulary."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner
        self.vocab_size: int = inner.get_vocab_size()
        self._words: WordTable | None = None
        self.separates_words = inner.decoder is None
        """Whether blanks between tokens are left out in encoding and put back by `decode`."""

    @classmethod
    def train(
        cls,
        lines: Iterable[str],
        settings: TokenizerSettings,
        where: str | None = None,
        ranked_by: Iterable[str] | None = None,
    ) -> Tokenizer:
        """Learns the vocabulary from `lines`, which are read once, as a stream. `where` is where they come from.

        Ids are ranked by frequency in `ranked_by`, where it is given: the text that a softmax is to predict.
        """
        stream = iter(lines)
        sample = list(itertools.islice(stream, _LINES_TO_RANK_BY))
        if not sample:
            raise SeqloomError("there is no text to train on", where=where, expected="at least one line")
        inner, trainer = _untrained(settings, _own_unknowns(sample))
        if _splits_at_blanks(inner):
            return cls(_of_words(inner, trainer, sample, stream, ranked_by))
        inner.train_from_iterator(itertools.chain(sample, stream), trainer)
        ranking = sample if ranked_by is None else list(itertools.islice(ranked_by, _LINES_TO_RANK_BY))
        return cls(_ranked_by_frequency(inner, ranking))

    @classmethod
    def of_words(cls, words: Sequence[str]) -> Tokenizer:
        """The one for a vocabulary that is known: words separated by blanks, the special ones first."""
        assert tuple(words[: len(SPECIALS)]) == SPECIALS
        vocabulary = {word: i for i, word in enumerate(words)}
        inner = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return cls(inner)

    def with_words(self, words: Iterable[str], most: int) -> Tokenizer:
        """The same with other `words` after its own, until there are `most` tokens. Only of whole words: pieces know
        every text."""
        description = json.loads(self._inner.to_str())
        vocabulary, small = description["model"]["vocab"], self._inner.normalizer is not None
        for word in words:
            if len(vocabulary) >= most:
                break
            if not small or word == word.lower():  # otherwise it is never come upon
                vocabulary.setdefault(word, len(vocabulary))
        return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(description)))

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exceptions
            raise RequestError("the tokenizer could not be read", where=str(path), got=str(error)) from None

    def save(self, path: Path) -> None:
        write_atomic(path, self.to_json())

    def to_json(self) -> str:
        return self._inner.to_str(pretty=True)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The ids of each line, without `<sos>` and `<eos>`."""
        return [encoding.ids for encoding in self._inner.encode_batch_fast(list(lines), add_special_tokens=False)]

    def encode_lines(self, lines: Sequence[str]) -> EncodedLines:
        """The ids of all lines in one row, each line with its `<eos>`."""
        if self._words is None and _splits_at_blanks(self._inner):
            self._words = WordTable.of(self.tokens())
        if self._words is not None:
            return encode_lines(self._words, lines, UNK, EOS)
        encoded = self.encode(lines)
        offsets = np.fromiter(itertools.accumulate((len(ids) + 1 for ids in encoded), initial=0), dtype=np.int64)
        every = itertools.chain.from_iterable((*ids, EOS) for ids in encoded)
        return EncodedLines(np.fromiter(every, dtype=np.uint32, count=int(offsets[-1])), offsets)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; `<pad>`, `<sos>` and `<eos>` are left out."""
        return self._inner.decode([i for i in ids if i not in (PAD, SOS, EOS)], skip_special_tokens=False)

    def token(self, token_id: int) -> str:
        return cast(str, self._inner.id_to_token(token_id))

    def tokens(self) -> list[str]:
        """The vocabulary in order of ids."""
        return [self.token(i) for i in range(self.vocab_size)]


def _own_unknowns(sample: Sequence[str]) -> bool:
    """Whether the text already writes its unknown words as `<unk>`, as the Penn Treebank files do."""
    return any("<unk>" in line for line in sample)


def _untrained(settings: TokenizerSettings, own_unknowns: bool) -> tuple[tokenizers.Tokenizer, trainers.Trainer]:
    size = settings.most_tokens
    if size <= len(SPECIALS):
        raise RequestError(
            "the vocabulary has no room for a token",
            where="tokenizer.vocab_size",
            got=size,
            expected=f"more than {len(SPECIALS)}, the special tokens",
        )
    min_count = settings.min_count or (1 if own_unknowns else 2)
    options: dict[str, Any] = {"vocab_size": size, "special_tokens": list(SPECIALS), "show_progress": False}
    if settings.kind == "character":
        inner = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
        inner.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
        inner.decoder = decoders.Fuse()
        trainer: trainers.Trainer = trainers.WordLevelTrainer(min_frequency=min_count, **options)
    elif settings.kind == "word":
        inner = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
        blanks = pre_tokenizers.WhitespaceSplit()
        marks = pre_tokenizers.Punctuation("isolated")
        inner.pre_tokenizer = pre_tokenizers.Sequence([blanks, marks]) if settings.punctuation else blanks
        trainer = trainers.WordLevelTrainer(min_frequency=min_count, **options)
    elif settings.kind == "bpe":
        inner = tokenizers.Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        if size < len(SPECIALS) + len(alphabet):
            raise RequestError(
                "a byte-pair vocabulary holds every byte",
                where="tokenizer.vocab_size",
                got=size,
                expected=f"{len(SPECIALS) + len(alphabet)} or more",
            )
        trainer = trainers.BpeTrainer(min_frequency=2, initial_alphabet=alphabet, **options)
    else:
        inner = tokenizers.Tokenizer(models.Unigram())
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        inner.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(unk_token="<unk>", **options)
    if settings.lowercase:
        inner.normalizer = normalizers.Lowercase()
    return inner, trainer


def _splits_at_blanks(inner: tokenizers.Tokenizer) -> bool:
    """Whether it is one of plain words, for which there is compiled code."""
    plain = isinstance(inner.pre_tokenizer, pre_tokenizers.WhitespaceSplit) and inner.normalizer is None
    return plain and isinstance(inner.model, models.WordLevel)


def _of_words(
    inner: tokenizers.Tokenizer,
    trainer: Any,
    sample: Sequence[str],
    rest: Iterable[str],
    ranked_by: Iterable[str] | None,
) -> tokenizers.Tokenizer:
    """What training and ranking give, for words: the most frequent ones, of equals the first in the alphabet; in order
    of their frequency in the sample."""
    counter = WordCounter()
    counter.add(sample)
    frequency = counter.counts() if ranked_by is None else _counted(itertools.islice(ranked_by, _LINES_TO_RANK_BY))
    while lines := list(itertools.islice(rest, _LINES_AT_ONCE)):
        counter.add(lines)
    counted = sorted(counter.counts().items(), key=lambda entry: (-entry[1], entry[0]))
    found = [word for word, count in counted if count >= trainer.min_frequency][: trainer.vocab_size - len(SPECIALS)]
    others = sorted((word for word in found if word not in SPECIALS), key=lambda word: -frequency.get(word, 0))
    inner.model = models.WordLevel({word: i for i, word in enumerate((*SPECIALS, *others))}, unk_token="<unk>")
    return inner


def _counted(lines: Iterable[str]) -> dict[str, int]:
    counter = WordCounter()
    counter.add(list(lines))
    return counter.counts()


def _ranked_by_frequency(inner: tokenizers.Tokenizer, sample: Sequence[str]) -> tokenizers.Tokenizer:
    """The same tokenizer with the ids after the specials in order of falling frequency in `sample`."""
    description = json.loads(inner.to_str())
    # The specials are plain entries of the vocabulary, not patterns cut out of the user's text wherever they occur.
    description["added_tokens"] = []
    inner = tokenizers.Tokenizer.from_str(json.dumps(description))
    model = description["model"]
    unigram = model["type"] == "Unigram"
    old_ids = {token: i for i, (token, _) in enumerate(model["vocab"])} if unigram else model["vocab"]
    counts = np.zeros(max(old_ids.values()) + 1, dtype=np.int64)
    for start in range(0, len(sample), _LINES_AT_ONCE):
        encodings = inner.encode_batch_fast(list(sample[start : start + _LINES_AT_ONCE]), add_special_tokens=False)
        counts += np.bincount(np.fromiter((i for e in encodings for i in e.ids), dtype=np.int64), minlength=len(counts))
    # A text that writes <unk> itself has the trainer count it as a word; it is the special one all the same.
    others = sorted(old_ids.keys() - set(SPECIALS), key=lambda token: (-counts[old_ids[token]], old_ids[token]))
    tokens = [*SPECIALS, *others]
    if unigram:
        model["vocab"] = [model["vocab"][old_ids[token]] for token in tokens]
    else:
        model["vocab"] = {token: i for i, token in enumerate(tokens)}
    return tokenizers.Tokenizer.from_str(json.dumps(description))
