"""SentencePiece models (Kudo and Richardson 2018), unigram and BPE, as tokenizers of the tokenizers library.

A model file is a protocol buffer. The few fields that encoding needs are read here, without the sentencepiece package.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

_SPACE = "▁"
_NORMAL, _UNKNOWN, _USER_DEFINED, _BYTE = 1, 2, 4, 6
_UNIGRAM, _BPE = 1, 2
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


class Piece(NamedTuple):
    text: str
    score: float
    kind: int


class SentencePieceModel(NamedTuple):
    """The fields of a model file by their names in `sentencepiece_model.proto`."""

    pieces: list[Piece]
    model_type: int
    byte_fallback: bool
    treat_whitespace_as_suffix: bool
    precompiled_charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


def read_sentencepiece(path: Path) -> SentencePieceModel:
    """Raises ValueError if the file is not a SentencePiece model."""
    try:
        fields = _fields(path.read_bytes())
        pieces = [_piece(value) for value in fields[1]]
        trainer, normalizer = (_fields(fields[number][-1]) if fields[number] else {} for number in (2, 3))
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise ValueError(f"not a SentencePiece model: {error}") from None

    def last(message: dict[int, list[Any]], number: int, default: Any) -> Any:
        return message.get(number, [default])[-1]

    model = SentencePieceModel(
        pieces,
        last(trainer, 3, _UNIGRAM),
        bool(last(trainer, 35, 0)),
        bool(last(trainer, 24, 0)),
        last(normalizer, 2, b""),
        *(bool(last(normalizer, number, 1)) for number in (3, 4, 5)),
    )
    if (
        not all(piece.text for piece in pieces)
        or not pieces
        or not isinstance(model.model_type, int)
        or not isinstance(model.precompiled_charsmap, bytes)
    ):
        raise ValueError("not a SentencePiece model")
    return model


def convert_sentencepiece(model: SentencePieceModel) -> str:
    """The JSON of a tokenizer that divides texts as the model does. Control symbols, which no text contains, are left
    out. Raises ValueError for what the library cannot do."""
    if model.model_type not in (_UNIGRAM, _BPE):
        raise ValueError("a SentencePiece model of words or characters")
    if model.treat_whitespace_as_suffix or not model.escape_whitespaces:
        raise ValueError("a SentencePiece model with whitespace at the end of pieces, or unescaped")
    unknown = next((piece for piece in model.pieces if piece.kind == _UNKNOWN), Piece("<unk>", 0, _UNKNOWN))
    pieces = [piece for piece in model.pieces if piece.kind in (_NORMAL, _USER_DEFINED, _BYTE)]
    inner = tokenizers.Tokenizer((_unigram if model.model_type == _UNIGRAM else _bpe)(unknown, pieces, model))
    steps: list[Any] = []
    if model.precompiled_charsmap:
        steps.append(normalizers.Precompiled(model.precompiled_charsmap))
    if model.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    steps += [normalizers.Prepend(_SPACE)] if model.add_dummy_prefix else []
    inner.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    if not any(_SPACE in piece.text[1:] for piece in pieces):
        inner.pre_tokenizer = pre_tokenizers.Split(_SPACE, "merged_with_next")
    decoder = [decoders.Replace(_SPACE, " "), *([decoders.ByteFallback()] if model.byte_fallback else [])]
    strip = [decoders.Strip(" ", 1, 0)] if model.add_dummy_prefix else []
    inner.decoder = decoders.Sequence([*decoder, decoders.Fuse(), *strip])
    text: str = inner.to_str()
    return text


def _unigram(unknown: Piece, pieces: list[Piece], model: SentencePieceModel) -> models.Model:
    """A user-defined symbol is more probable than any other division of it, as in SentencePiece; byte pieces are never
    found in a text."""
    scores = [piece.score for piece in pieces if piece.kind == _NORMAL]
    if not scores:
        raise ValueError("a SentencePiece model without pieces")

    def score(piece: Piece) -> float:
        if piece.kind == _USER_DEFINED:
            return len(piece.text.encode()) * max(scores) - 0.1
        return piece.score if piece.kind == _NORMAL else min(scores)

    vocabulary = [(unknown.text, min(scores)), *((piece.text, score(piece)) for piece in pieces)]
    unigram: models.Model = models.Unigram(vocabulary, 0, model.byte_fallback)
    return unigram


def _bpe(unknown: Piece, pieces: list[Piece], model: SentencePieceModel) -> models.Model:
    """Every division of a piece into two others is a merge, with the rank of the piece."""
    if any(piece.kind == _USER_DEFINED for piece in pieces):
        raise ValueError("a SentencePiece model of BPE with user-defined symbols")
    ids = {unknown.text: 0} | {piece.text: number for number, piece in enumerate(pieces, 1)}
    merges: list[tuple[str, str]] = []
    for piece in sorted(pieces, key=lambda piece: -piece.score):
        if piece.kind == _NORMAL:
            cuts = ((piece.text[:place], piece.text[place:]) for place in range(1, len(piece.text)))
            merges += sorted((cut for cut in cuts if cut[0] in ids and cut[1] in ids), key=lambda cut: ids[cut[0]])
    bpe: models.Model = models.BPE(
        ids, merges, unk_token=unknown.text, fuse_unk=True, byte_fallback=model.byte_fallback
    )
    return bpe


def _piece(content: bytes) -> Piece:
    fields = _fields(content)
    score = struct.unpack("<f", fields[2][-1])[0] if 2 in fields else 0.0
    return Piece(fields[1][-1].decode(), score, fields[3][-1] if 3 in fields else _NORMAL)


def _fields(content: bytes) -> dict[int, list[Any]]:
    """The fields of a message by their numbers: integers, or bytes."""
    fields: defaultdict[int, list[Any]] = defaultdict(list)
    for number, value in _parsed(content):
        fields[number].append(value)
    return fields


def _parsed(content: bytes) -> Iterator[tuple[int, Any]]:
    """Yields the number and the value of each field (protocol buffers' wire format)."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(content, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise IndexError(f"a field of type {kind}")
        if place + size > len(content):
            raise IndexError("it is cut off")
        yield key >> 3, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise IndexError("a number is too long")
