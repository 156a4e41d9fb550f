"""Tokenizers of the tokenizers library: characters, byte-pair and unigram subwords, and words of normalised text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from seqloom.data.tokenizer import (
    EOS,
    LINES_TO_RANK_BY,
    SPECIALS,
    Tokenizer,
    TokenizerSettings,
    marks_unknowns,
    swap_lookalikes,
    warn_of_two_forms,
)
from seqloom.data.word_table import EncodedLines
from seqloom.errors import RequestError
from seqloom_portable.tokens import TextTokenizer, with_lookalikes_swapped

_LINES_AT_ONCE = 4_096
_LOOKED_UP_SPECIALS = tuple(map(swap_lookalikes, SPECIALS))


class LibraryTokenizer(TextTokenizer, Tokenizer):
    """It encodes and decodes with the code of the runtime."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        super().__init__(inner)
        self.kind = _kind_of(inner)

    @classmethod
    def train(
        cls, lines: Iterable[str], settings: TokenizerSettings, ranked_by: Iterable[str] | None = None
    ) -> LibraryTokenizer:
        """Learns the vocabulary. Ids are ordered by frequency in `ranked_by`, or else in the beginning of the text."""
        settings.check_room()
        stream = iter(lines)
        sample = list(itertools.islice(stream, LINES_TO_RANK_BY))
        least_count = settings.least_count(marks_unknowns(sample))
        inner, trainer = _untrained(settings, least_count)
        inner.train_from_iterator(itertools.chain(sample, stream), trainer)
        settings.check_frequent(inner.get_vocab_size() - len(SPECIALS), least_count)
        if settings.kind == "word":
            warn_of_two_forms(inner.get_vocab())
        return cls.ranked(inner, sample if ranked_by is None else ranked_by)

    @classmethod
    def ranked(cls, inner: tokenizers.Tokenizer, lines: Iterable[str]) -> LibraryTokenizer:
        """The tokenizer with its ids after the special tokens in order of falling frequency in the first of `lines`."""
        return cls(_ranked_by_frequency(inner, list(itertools.islice(lines, LINES_TO_RANK_BY))))

    @classmethod
    def parsed(cls, description: dict[str, Any]) -> LibraryTokenizer:
        """The tokenizer that `to_json` described. Raises ValueError if the special tokens are not the first ones of the
        vocabulary."""
        vocabulary = description["model"]["vocab"]
        if description["model"]["type"] == "Unigram":
            first = tuple(token for token, _ in vocabulary[: len(SPECIALS)])
        else:
            first = tuple(sorted(vocabulary, key=vocabulary.__getitem__)[: len(SPECIALS)])
        if first != SPECIALS:
            raise ValueError(f"the vocabulary begins with {', '.join(first)} instead of {', '.join(SPECIALS)}")
        text = json.dumps(with_lookalikes_swapped(description))
        try:
            return cls(tokenizers.Tokenizer.from_str(text))
        except BaseException as error:  # the library also panics, which is no Exception
            if type(error).__name__ != "PanicException":
                raise
            raise ValueError(str(error)) from None

    def to_json(self) -> str:
        return json.dumps(self._description(), ensure_ascii=False, indent=2)

    def _description(self) -> dict[str, Any]:
        return with_lookalikes_swapped(json.loads(self._inner.to_str()))

    def encode_lines(self, lines: Sequence[str]) -> EncodedLines:
        encoded = self.encode(lines)
        offsets = np.fromiter(itertools.accumulate((len(ids) + 1 for ids in encoded), initial=0), dtype=np.int64)
        flat = itertools.chain.from_iterable((*ids, EOS) for ids in encoded)
        return EncodedLines(np.fromiter(flat, dtype=np.uint32, count=int(offsets[-1])), offsets)

    def tokens(self) -> list[str]:
        return [self.token(i) for i in range(self.vocab_size)]

    def with_words(self, words: Iterable[str], most: int) -> LibraryTokenizer:
        description = self._description()
        vocabulary, is_lowercase = description["model"]["vocab"], self._inner.normalizer is not None
        for word in words:
            if len(vocabulary) >= most:
                break
            if not is_lowercase or word == word.lower():  # other words never occur in lowercased text
                vocabulary.setdefault(word, len(vocabulary))
        return LibraryTokenizer.parsed(description)


def _kind_of(inner: tokenizers.Tokenizer) -> str:
    """The kind of tokens; subwords that are not of bytes are of another kind."""
    is_of_bytes = isinstance(inner.decoder, decoders.ByteLevel) and all(
        inner.token_to_id(character) is not None for character in pre_tokenizers.ByteLevel.alphabet()
    )
    if isinstance(inner.model, models.BPE | models.Unigram):
        return ("bpe" if isinstance(inner.model, models.BPE) else "unigram") if is_of_bytes else "other"
    return "word" if inner.decoder is None else "character"


def _untrained(settings: TokenizerSettings, min_count: int) -> tuple[tokenizers.Tokenizer, trainers.Trainer]:
    size, alphabet = settings.most_tokens, pre_tokenizers.ByteLevel.alphabet()
    options: dict[str, Any] = {"vocab_size": size, "special_tokens": list(_LOOKED_UP_SPECIALS), "show_progress": False}
    if settings.kind in ("bpe", "unigram") and size < len(SPECIALS) + len(alphabet):
        raise RequestError(
            "a vocabulary of subwords contains every byte",
            where="tokenizer.vocab_size",
            got=size,
            expected=f"{len(SPECIALS) + len(alphabet)} or more",
        )
    if settings.kind == "character":
        inner = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
        inner.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
        inner.decoder = decoders.Fuse()
        trainer: trainers.Trainer = trainers.WordLevelTrainer(min_frequency=min_count, **options)
    elif settings.kind == "word":
        inner = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
        whitespace = pre_tokenizers.WhitespaceSplit()
        marks = pre_tokenizers.Punctuation("isolated")
        inner.pre_tokenizer = pre_tokenizers.Sequence([whitespace, marks]) if settings.punctuation else whitespace
        trainer = trainers.WordLevelTrainer(min_frequency=min_count, **options)
    elif settings.kind == "bpe":
        inner = tokenizers.Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(min_frequency=2, initial_alphabet=alphabet, **options)
    else:
        inner = tokenizers.Tokenizer(models.Unigram())
        # A subword is a part of one word and the space before it. Of bytes, every text can be decoded.
        words = pre_tokenizers.Split(" ", "merged_with_next")
        # The model merges consecutive <unk>, so each is split off.
        unknown = pre_tokenizers.Split("<unk>", "isolated")
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        inner.pre_tokenizer = pre_tokenizers.Sequence([unknown, words, as_bytes])
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.UnigramTrainer(unk_token="<unk>", initial_alphabet=alphabet, **options)
    if settings.lowercase:
        inner.normalizer = normalizers.Lowercase()
    return inner, trainer


def _ranked_by_frequency(inner: tokenizers.Tokenizer, sample: Sequence[str]) -> tokenizers.Tokenizer:
    """The same tokenizer with the ids after the specials in order of falling frequency in `sample`."""
    description = json.loads(inner.to_str())
    # The special tokens are plain entries of the vocabulary, not patterns that are cut out of the user's text.
    description["added_tokens"] = []
    inner = tokenizers.Tokenizer.from_str(json.dumps(description))
    model = description["model"]
    unigram = model["type"] == "Unigram"
    old_ids = {token: i for i, (token, _) in enumerate(model["vocab"])} if unigram else model["vocab"]
    counts = np.zeros(max(old_ids.values()) + 1, dtype=np.int64)
    for start in range(0, len(sample), _LINES_AT_ONCE):
        encodings = inner.encode_batch_fast(list(sample[start : start + _LINES_AT_ONCE]), add_special_tokens=False)
        counts += np.bincount(np.fromiter((i for e in encodings for i in e.ids), dtype=np.int64), minlength=len(counts))
    # The trainer counts an <unk> in the text as a word, but it is the special token.
    others = old_ids.keys() - set(_LOOKED_UP_SPECIALS)
    tokens = [*_LOOKED_UP_SPECIALS, *sorted(others, key=lambda token: (-counts[old_ids[token]], old_ids[token]))]
    if unigram:
        model["vocab"] = [model["vocab"][old_ids[token]] for token in tokens]
    else:
        model["vocab"] = {token: i for i, token in enumerate(tokens)}
    return tokenizers.Tokenizer.from_str(json.dumps(description))
