"""Random segmentations of words into subwords while a network is trained: BPE dropout, and sampling by a unigram model.

Subwords of bytes carry their text, so rows of token ids are segmented anew without it. The result is a function of the
seed, the epoch, the step and the side alone, so that a run resumes exactly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.line_batches import Row
from seqloom.data.subword_segmentation import (
    BpeMerges,
    TokenBytes,
    UnigramPieces,
    segment_by_merges,
    segment_by_pieces,
)
from seqloom.data.tokenizer import SPECIALS, Tokenizer


class SubwordSampler:
    """Segments the words of token rows anew, each batch differently. `amount`: the share of merges that are
    left out (byte pairs), or the power of the probabilities (unigram). `side` tells the samplers of one loader apart.
    """

    def __init__(self, tokenizer: Tokenizer, amount: float, seed: int, side: int) -> None:
        self._amount, self._seed, self._side = amount, seed, side
        names = tokenizer.tokens()
        self._tokens = _token_bytes(names)
        model = json.loads(tokenizer.to_json())["model"]
        self._merges = _merges(model, names) if model["type"] == "BPE" else None
        self._pieces = _pieces(model, self._tokens) if model["type"] == "Unigram" else None

    def __call__(self, rows: Sequence[Row], epoch: int, step: int) -> list[NDArray[np.int64]]:
        """The rows of the batch at this step, segmented anew."""
        key = np.random.SeedSequence((self._seed, epoch, step, self._side))
        seeds = key.generate_state(len(rows), np.uint64)
        return [self._segmented(np.asarray(row, np.int64), seed) for row, seed in zip(rows, seeds, strict=True)]

    def _segmented(self, ids: NDArray[np.int64], seed: np.uint64) -> NDArray[np.int64]:
        content, starts = self._tokens
        output = np.empty(int(np.maximum(starts[ids + 1] - starts[ids], 1).sum()), np.int64)
        if self._merges is not None:
            count = segment_by_merges(ids, content, starts, *self._merges, self._amount, seed, output)
        else:
            assert self._pieces is not None
            count = segment_by_pieces(ids, content, starts, *self._pieces, self._amount, seed, output)
        return output[:count]


def _byte_of_character() -> dict[str, int]:
    """The byte that each character of the library's byte-level alphabet stands for: a printable character of Latin-1
    for itself, the characters from U+0100 on for the other bytes in order (Radford et al. 2019)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


def _token_bytes(names: Sequence[str]) -> TokenBytes:
    alphabet = _byte_of_character()
    parts = [bytes(alphabet[character] for character in name) for name in names[len(SPECIALS) :]]
    lengths = [*(0 for _ in SPECIALS), *map(len, parts)]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenBytes(np.frombuffer(b"".join(parts), np.uint8).copy(), starts)


def _merges(model: dict[str, Any], names: Sequence[str]) -> BpeMerges:
    ids = {name: number for number, name in enumerate(names)}
    pairs = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
    merges = np.array([(ids[a], ids[b], ids[a + b]) for a, b in pairs], np.int64).reshape(-1, 3)
    byte_ids = np.zeros(256, np.int64)
    for character, byte in _byte_of_character().items():
        byte_ids[byte] = ids[character]
    return BpeMerges.of(merges, byte_ids)


def _pieces(model: dict[str, Any], tokens: TokenBytes) -> UnigramPieces:
    return UnigramPieces.of(tokens, np.array([score for _, score in model["vocab"]], np.float64))
