"""Tokenizers from elsewhere: a `tokenizer.json` of the tokenizers library, or a SentencePiece model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers

from seqloom.data.library_tokenizer import LibraryTokenizer
from seqloom.data.sentencepiece_model import convert_sentencepiece, read_sentencepiece
from seqloom.data.tokenizer import EOS, PAD, SOS, SPECIALS, UNK, swap_lookalikes
from seqloom.errors import RequestError

_KINDS = ("BPE", "Unigram", "WordLevel", "WordPiece")


def adopt_tokenizer(path: Path, ranking: Iterable[str]) -> LibraryTokenizer:
    """The tokenizer of a file with the special tokens of Seqloom at the beginning of its vocabulary, and the others in
    order of their frequency in `ranking`. It divides texts as before; its unknown token is `<unk>`, and its other
    special tokens are tokens that no text has. The tokenizer of a run stays as it is.

    Raises RequestError if the file is neither a `tokenizer.json` nor a SentencePiece model.
    """
    try:
        description: dict[str, Any] = json.loads(_content(path))
        model = description["model"]
        if model["type"] not in _KINDS:
            raise ValueError(f"a model of type {model['type']}")
        if _first_names(model) == SPECIALS:  # the tokenizer of a run
            return LibraryTokenizer.parsed(description)
        _place_specials(model)
        description |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
        inner = tokenizers.Tokenizer.from_str(json.dumps(description))
    except Exception as error:  # the library raises bare Exceptions
        raise RequestError(
            "the tokenizer could not be read",
            where=f"tokenizer.file: {path}",
            got=str(error)[:120],
            expected=f"a tokenizer.json of the tokenizers library ({', '.join(_KINDS)}), or a .model of SentencePiece",
        ) from None
    return LibraryTokenizer.ranked(inner, ranking)


def _content(path: Path) -> str:
    if path.suffix == ".model":
        return convert_sentencepiece(read_sentencepiece(path))
    return path.read_text(encoding="utf-8")


def _first_names(model: dict[str, Any]) -> tuple[str, ...]:
    vocabulary = model["vocab"]
    if model["type"] == "Unigram":
        return tuple(name for name, _ in vocabulary[: len(SPECIALS)])
    return tuple(sorted(vocabulary, key=vocabulary.__getitem__)[: len(SPECIALS)])


def _place_specials(model: dict[str, Any]) -> None:
    """Names the unknown token `<unk>`, and puts the special tokens in front of the vocabulary."""
    lookup = [swap_lookalikes(SPECIALS[token]) for token in (PAD, UNK, SOS, EOS)]
    if model["type"] == "Unigram":
        unknown = model.get("unk_id")
        others = [entry for number, entry in enumerate(model["vocab"]) if number != unknown]
        others = [entry for entry in others if entry[0] not in lookup]
        lowest = min((score for _, score in others), default=0.0)  # which decides how improbable <unk> is
        model["vocab"] = [*([name, lowest] for name in lookup), *others]
        model["unk_id"] = UNK
        return
    names = sorted(model["vocab"], key=model["vocab"].__getitem__)
    others = [name for name in names if name not in (*lookup, model.get("unk_token"))]
    model["vocab"] = {name: number for number, name in enumerate([*lookup, *others])}
    if model.get("unk_token") is not None or model["type"] in ("WordLevel", "WordPiece"):
        model["unk_token"] = SPECIALS[UNK]
