"""The frequent n-grams of a corpus as a trie, which finds their occurrences in any sequence of token ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.errors import SeqloomError
from seqloom.nn.kernels.numeric import Array, compiled

_TOKENS_AT_ONCE = 1 << 22
_TABLES = ("roots", "first_child", "last_token")

Ints = NDArray[np.int32]


class SequenceNGrams(NamedTuple):
    """The distinct n-grams of several sequences: those of sequence i are `ids[starts[i]:starts[i + 1]]`, in order of
    their first occurrence; `counts` has the number of occurrences of each."""

    ids: Ints
    counts: NDArray[np.float32]
    starts: NDArray[np.int64]


class NGrams(nn.Module):
    """A trie of n-grams of up to `order` tokens, numbered by their length, then by their tokens. The token `before` is
    prepended to every sequence, so that n-grams mark its beginning.

    All prefixes of an n-gram are in the trie. `roots` (vocab,) has the number of each unigram, -1 if it is absent. The
    children of n-gram i, which are one token longer, have the numbers from `first_child[i]` up to, but not including,
    `first_child[i + 1]`; `last_token` (n-grams,) has the last token of each, which differs between all children of an
    n-gram.
    """

    def __init__(self, roots: Ints, first_child: Ints, last_token: Ints, order: int, before: int) -> None:
        super().__init__()
        self.order, self.before = order, before
        self.roots: Tensor
        self.first_child: Tensor
        self.last_token: Tensor
        for name, numbers in zip(_TABLES, (roots, first_child, last_token), strict=True):
            self.register_buffer(name, torch.from_numpy(numbers))

    @classmethod
    def saved(cls, tensors: Mapping[str, Tensor], prefix: str, order: int, before: int) -> NGrams:
        """Those of the saved `tensors` whose names begin with `prefix`. Raises SeqloomError if they are damaged."""
        roots, first_child, last_token = (tensors[prefix + name].numpy() for name in _TABLES)
        ngrams = cls(roots, first_child, last_token, order, before)
        ngrams.check()
        return ngrams

    def __len__(self) -> int:
        return len(self.last_token)

    def check(self) -> None:
        """Raises SeqloomError where a number is out of range, as in a damaged file; compiled loops do not check
        indices."""
        roots, first_child, last_token = self._arrays()
        size = len(last_token)
        if not (
            all(numbers.dtype == np.int32 and numbers.ndim == 1 for numbers in (roots, first_child, last_token))
            and len(roots) > self.before
            and roots.min() >= -1
            and roots.max() < size
            and len(first_child) == size + 1
            and first_child[0] == (roots >= 0).sum()
            and first_child[-1] == size
            and (np.diff(first_child) >= 0).all()
            and (first_child[:-1] > np.arange(size)).all()
        ):
            raise SeqloomError(
                "the n-grams of the model are damaged", where="model.safetensors", got="a number out of range"
            )

    def _arrays(self) -> tuple[Ints, Ints, Ints]:
        return self.roots.cpu().numpy(), self.first_child.cpu().numpy(), self.last_token.cpu().numpy()

    def find(self, ids: NDArray[np.int64], offsets: NDArray[np.int64]) -> SequenceNGrams:
        """The n-grams of the sequences `ids[offsets[i]:offsets[i + 1]]`."""
        most = (len(ids) + len(offsets)) * self.order
        ngram_ids, counts = np.empty(most, np.int32), np.empty(most, np.float32)
        starts = np.zeros(len(offsets), np.int64)
        seen = np.full((len(self), 2), -1, np.int32)
        size = _find(ids, offsets, *self._arrays(), self.order, self.before, seen, ngram_ids, counts, starts)
        return SequenceNGrams(ngram_ids[:size], counts[:size], starts)


def learn_ngrams(
    ids: NDArray[np.integer[Any]],
    offsets: NDArray[np.int64],
    never: Sequence[int],
    before: int,
    vocab_size: int,
    order: int,
    min_count: int,
    most: int,
) -> NGrams:
    """The n-grams that occur at least `min_count` times in the sequences `ids[offsets[i]:offsets[i + 1]]`, at most the
    `most` frequent of them. None contains a token of `never`.

    An n-gram is at most as frequent as its prefix, so the search for each length only extends the frequent n-grams of
    the previous length (Agrawal and Srikant 1994).
    """
    tokens = np.zeros(vocab_size, np.int64)
    for start in range(0, len(ids), _TOKENS_AT_ONCE):
        tokens += np.bincount(ids[start : start + _TOKENS_AT_ONCE], minlength=vocab_size)
    tokens[before] += len(offsets) - 1
    tokens[list(never)] = 0
    frequent = np.flatnonzero(tokens >= min_count)
    last, counts, parents = frequent.astype(np.int32), tokens[frequent], np.full(len(frequent), -1, np.int32)
    for length in range(2, order + 1):
        tree = trie_of(last, parents, vocab_size, length, before)
        keys, times = _longer(tree, ids, offsets, never, vocab_size, min_count)
        parents = np.concatenate([parents, (keys // vocab_size).astype(np.int32)])
        last, counts = np.concatenate([last, (keys % vocab_size).astype(np.int32)]), np.concatenate([counts, times])
    if len(last) > most:
        # Among equally frequent n-grams the shorter come first, so that no n-gram is kept without its prefix.
        is_kept = np.zeros(len(last), bool)
        is_kept[np.argsort(-counts, kind="stable")[:most]] = True
        places = np.cumsum(is_kept, dtype=np.int32) - 1
        last, parents = last[is_kept], np.where(parents[is_kept] < 0, -1, places[parents[is_kept]]).astype(np.int32)
    return trie_of(last, parents, vocab_size, order, before)


def trie_of(last: Ints, parents: Ints, vocab_size: int, order: int, before: int) -> NGrams:
    """The n-grams with these last tokens and prefixes (their numbers, -1: none), in order of both."""
    alone = int((parents < 0).sum())
    roots = np.full(vocab_size, -1, np.int32)
    roots[last[:alone]] = np.arange(alone)
    first = alone + np.searchsorted(parents[alone:], np.arange(len(last) + 1))
    return NGrams(roots, first.astype(np.int32), last, order, before)


def _longer(
    tree: NGrams,
    ids: NDArray[np.integer[Any]],
    offsets: NDArray[np.int64],
    never: Sequence[int],
    vocab_size: int,
    min_count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The frequent extensions of the tree's longest n-grams by one token, as prefix * vocab_size + token in increasing
    order, and their counts."""
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    banned = np.zeros(vocab_size, bool)
    banned[list(never)] = True
    for part, bounds in _parts(ids, offsets):
        extensions = np.empty(len(part) + len(bounds), np.int64)
        size = _extend(part, bounds, *tree._arrays(), tree.order - 1, tree.before, banned, vocab_size, extensions)
        part_keys, times = np.unique(extensions[:size], return_counts=True)
        keys, places = np.unique(np.concatenate([keys, part_keys]), return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, times]), len(keys)).astype(np.int64)
    frequent = counts >= min_count
    return keys[frequent], counts[frequent]


def _parts(
    ids: NDArray[np.integer[Any]], offsets: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Parts of whole sequences with some millions of tokens each."""
    first, count = 0, len(offsets) - 1
    while first < count:
        stop = int(np.searchsorted(offsets, offsets[first] + _TOKENS_AT_ONCE, side="right")) - 1
        stop = min(max(stop, first + 1), count)
        yield ids[offsets[first] : offsets[stop]].astype(np.int64), offsets[first : stop + 1] - offsets[first]
        first = stop


@compiled
def _child(node: int, token: int, first_child: Array, last_token: Array) -> int:
    """The child of `node` that ends in `token`, or -1."""
    low, high = first_child[node], first_child[node + 1]
    while low < high:
        middle = (low + high) >> 1
        if last_token[middle] < token:
            low = middle + 1
        else:
            high = middle
    if low < first_child[node + 1] and last_token[low] == token:
        return low
    return -1


@compiled
def _find(
    ids: Array,
    offsets: Array,
    roots: Array,
    first_child: Array,
    last_token: Array,
    order: int,
    before: int,
    seen: Array,
    ngram_ids: Array,
    counts: Array,
    starts: Array,
) -> int:
    """Fills `ngram_ids`, `counts` and `starts`, and returns the number of entries. `seen[i]`: the last sequence that
    contained n-gram i, and its position there."""
    size = 0
    for row in range(offsets.shape[0] - 1):
        starts[row] = size
        begin = size
        for first in range(offsets[row] - 1, offsets[row + 1]):
            node = roots[ids[first]] if first >= offsets[row] else roots[before]
            place = first + 1
            while node >= 0:
                if seen[node, 0] == row:
                    counts[begin + seen[node, 1]] += 1
                else:
                    seen[node, 0], seen[node, 1] = row, size - begin
                    ngram_ids[size], counts[size] = node, 1
                    size += 1
                if place == offsets[row + 1] or place == first + order:
                    break
                node = _child(node, ids[place], first_child, last_token)
                place += 1
    starts[offsets.shape[0] - 1] = size
    return size


@compiled
def _extend(
    ids: Array,
    offsets: Array,
    roots: Array,
    first_child: Array,
    last_token: Array,
    length: int,
    before: int,
    banned: Array,
    vocab_size: int,
    extensions: Array,
) -> int:
    """For each occurrence of an n-gram of `length` tokens followed by a token, n-gram * vocab_size + token; returns
    their number."""
    size = 0
    for row in range(offsets.shape[0] - 1):
        for first in range(offsets[row] - 1, offsets[row + 1] - length):
            node = roots[ids[first]] if first >= offsets[row] else roots[before]
            place = first + 1
            while node >= 0 and place < first + length:
                node = _child(node, ids[place], first_child, last_token)
                place += 1
            if node >= 0 and not banned[ids[place]]:
                extensions[size] = node * vocab_size + ids[place]
                size += 1
    return size
