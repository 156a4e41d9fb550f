"""n-gram language models in a memory-mapped binary file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.arrays import map_arrays
from seqloom_portable.folder import Folder
from seqloom_portable.language_model import LanguageModel
from seqloom_portable.specials import EOS, PAD, SOS

_LN_10 = np.float32(math.log(10))

Context = list[int]
"""The words before the next one, oldest first; at most order - 1."""


class NgramStore:
    """n-grams of every order as one trie, level by level, the nodes of a level in the order of their words. `log_probs`
    and `backoffs` are log10. Node i has the children from `begin[i]` up to, but not including, `begin[i + 1]`.

    The file is smaller without the links to shorter n-grams, which the queries of `ngram_query` follow: every context
    is looked up from its first word here."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.sizes: list[int] = arrays["sizes"].tolist()
        self.words, self.log_probs = arrays["words"], arrays["log_probs"]
        self.backoffs, self.begin = arrays["backoffs"], arrays["begin"]

    @property
    def order(self) -> int:
        return len(self.sizes)

    def child(self, node: int, word: int) -> int:
        """The child of a node for a word, or -1."""
        if node >= len(self.backoffs):
            return -1
        first, stop = int(self.begin[node]), int(self.begin[node + 1])
        place = first + int(np.searchsorted(self.words[first:stop], word))
        return place if place < stop and self.words[place] == word else -1

    def node(self, words: Context) -> int:
        """The node of an n-gram, or -1."""
        node = words[0] if words else -1
        for word in words[1:]:
            node = self.child(node, word)
            if node < 0:
                return -1
        return node

    def log10_prob(self, context: Context, word: int) -> np.float32:
        """log10 p(word | context) (Katz 1987): the log-probability of the longest n-gram in the model that ends with
        the word, plus the back-off weights of the longer contexts."""
        weight = np.float32(0)
        for start in range(len(context)):
            node = self.node(context[start:])
            if node < 0:
                continue
            child = self.child(node, word)
            if child >= 0:
                return np.float32(self.log_probs[child] + weight)
            if node < len(self.backoffs):
                weight = np.float32(weight + self.backoffs[node])
        return np.float32(self.log_probs[word] + weight)

    def distribution(self, context: Context) -> NDArray[np.float32]:
        """(vocab,): log10 p(word | context) of every word."""
        log10_probs = np.array(self.log_probs[: self.sizes[0]], np.float32)
        for start in reversed(range(len(context))):
            node = self.node(context[start:])
            if not 0 <= node < len(self.backoffs):
                continue
            log10_probs += self.backoffs[node]
            first, stop = int(self.begin[node]), int(self.begin[node + 1])
            log10_probs[self.words[first:stop]] = self.log_probs[first:stop]
        log10_probs[[PAD, SOS]] = -np.inf
        return log10_probs


class NgramLanguageModel(LanguageModel):
    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.store = NgramStore(map_arrays(folder.path / "ngrams.safetensors"))

    def first_state(self, batch: int) -> list[Context]:
        return [[] for _ in range(batch)]

    def _after(self, context: Context, word: int) -> Context:
        """The context after one more word. `<sos>` and `<eos>` both begin a line."""
        if word == PAD:
            return context
        width = self.store.order - 1
        if word in (EOS, SOS):
            return [SOS][:width]
        return [*context, word][-width:] if width else []

    def next_log_probs(
        self, token_ids: NDArray[np.int64], state: list[Context]
    ) -> tuple[NDArray[np.float32], list[Context]]:
        after = []
        for row, context in zip(token_ids.tolist(), state, strict=True):
            for word in row:
                context = self._after(context, word)
            after.append(context)
        return np.stack([self.store.distribution(context) for context in after]) * _LN_10, after

    def target_log_probs(
        self, token_ids: NDArray[np.int64], targets: NDArray[np.int64], lengths: NDArray[np.int64], state: list[Context]
    ) -> tuple[NDArray[np.float32], list[Context]]:
        log_probs, after = np.zeros(targets.shape, np.float32), []
        for row, context in enumerate(state):
            for step in range(lengths[row]):
                context = self._after(context, int(token_ids[row, step]))
                log_probs[row, step] = self.store.log10_prob(context, int(targets[row, step]))
            after.append(context)
        return log_probs * _LN_10, after
