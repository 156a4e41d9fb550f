"""Classifiers of texts as bags of words and n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.arrays import map_arrays
from seqloom_portable.classifier import Classifier
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.specials import EOS


class BagOfWords(Classifier):
    """softmax((W x + b) / temperature), where x has a weight for each n-gram of the text and length 1; for
    labels a sigmoid in place of the softmax, or a number."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        super().__init__(folder, threads)
        arrays = map_arrays(folder.path / "bag.safetensors")
        self._roots, self._first_child, self._last_token = (
            arrays[name] for name in ("roots", "first_child", "last_token")
        )
        self._feature_weights, self._output, self._bias = (
            arrays[name] for name in ("feature_weights", "output", "bias")
        )
        self._order: int = folder.manifest["order"]

    def log_probs_of(self, rows: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        logits = np.stack([self._logits(row.tolist()) for row in rows])
        facts = self.folder.manifest
        if self.target["kind"] == "number":
            numbers: NDArray[np.float32] = np.float32(facts["mean"]) + np.float32(facts["scale"]) * logits
            return numbers
        logits = logits / np.float32(facts["temperature"])
        if self.target["kind"] == "labels":
            return -np.logaddexp(np.float32(0), -logits)
        peak = logits.max(1, keepdims=True)
        log_probs: NDArray[np.float32] = logits - peak - np.log(np.exp(logits - peak).sum(1, keepdims=True))
        return log_probs

    def _logits(self, ids: list[int]) -> NDArray[np.float32]:
        features = self.features(ids)
        if not len(features):
            return np.array(self._bias)
        values = self._feature_weights[features]
        values = values / np.sqrt(max(float((values.astype(np.float32) ** 2).sum()), 1e-12))
        logits: NDArray[np.float32] = (values[:, None] * self._output[features]).sum(0, dtype=np.float32) + self._bias
        return logits

    def features(self, ids: Sequence[int]) -> NDArray[np.int64]:
        """The distinct n-grams of a text. The text is read with an `<eos>` in front."""
        nodes: dict[int, None] = {}
        read = [EOS, *ids]
        for start in range(len(read)):
            node = int(self._roots[read[start]])
            for place in range(start + 1, start + self._order + 1):
                if node < 0:
                    break
                nodes[node] = None
                if place == len(read) or place == start + self._order:
                    break
                node = self._child(node, read[place])
        return np.fromiter(nodes, np.int64, len(nodes))

    def _child(self, node: int, token: int) -> int:
        first, stop = int(self._first_child[node]), int(self._first_child[node + 1])
        place = first + int(np.searchsorted(self._last_token[first:stop], token))
        return place if place < stop and self._last_token[place] == token else -1

    def embed(self, inputs: Sequence[Any], pooling: str = "auto") -> NDArray[np.float32]:  # noqa: ARG002
        raise PortableError("a bag of words has no vectors")
