"""n-gram language models, from a binary file that is mapped and not read."""

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
"""The words before the next one, oldest first, at most order - 1 of them: what the model sees."""


class NgramStore:
    """n-grams of every length as one tree, level by level, each in the order of its words. `log_probs`, `backoffs`:
    log10. The children of node i stand from `begin[i]` to before `begin[i + 1]`."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.sizes: list[int] = arrays["sizes"].tolist()
        self.words, self.log_probs = arrays["words"], arrays["log_probs"]
        self.backoffs, self.begin = arrays["backoffs"], arrays["begin"]

    @property
    def order(self) -> int:
        return len(self.sizes)

    def child(self, node: int, word: int) -> int:
        """-1 where there is none."""
        if node >= len(self.backoffs):
            return -1
        first, stop = int(self.begin[node]), int(self.begin[node + 1])
        place = first + int(np.searchsorted(self.words[first:stop], word))
        return place if place < stop and self.words[place] == word else -1

    def node(self, words: Context) -> int:
        """The node of an n-gram; -1 where it is not in the tree."""
        node = words[0] if words else -1
        for word in words[1:]:
            node = self.child(node, word)
            if node < 0:
                return -1
        return node

    def log10_prob(self, context: Context, word: int) -> np.float32:
        """Katz 1987: that of the longest n-gram known, and the back-off weights of the contexts without it."""
        weight = np.float32(0)
        for start in range(len(context)):
            node = self.node(context[start:])
            if node < 0:
                continue
            found = self.child(node, word)
            if found >= 0:
                return np.float32(self.log_probs[found] + weight)
            if node < len(self.backoffs):
                weight = np.float32(weight + self.backoffs[node])
        return np.float32(self.log_probs[word] + weight)

    def distribution(self, context: Context) -> NDArray[np.float32]:
        """log10 p(word | context) of all words."""
        found = np.array(self.log_probs[: self.sizes[0]], np.float32)
        for start in reversed(range(len(context))):
            node = self.node(context[start:])
            if not 0 <= node < len(self.backoffs):
                continue
            found += self.backoffs[node]
            first, stop = int(self.begin[node]), int(self.begin[node + 1])
            found[self.words[first:stop]] = self.log_probs[first:stop]
        found[[PAD, SOS]] = -np.inf
        return found


class NgramLanguageModel(LanguageModel):
    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.store = NgramStore(map_arrays(folder.path / "ngrams.safetensors"))

    def first_state(self, batch: int) -> list[Context]:
        return [[] for _ in range(batch)]

    def _after(self, context: Context, word: int) -> Context:
        """The context after one more word; both `<sos>` and `<eos>` begin a line."""
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
        found, after = np.zeros(targets.shape, np.float32), []
        for row, context in enumerate(state):
            for step in range(lengths[row]):
                context = self._after(context, int(token_ids[row, step]))
                found[row, step] = self.store.log10_prob(context, int(targets[row, step]))
            after.append(context)
        return found * _LN_10, after
