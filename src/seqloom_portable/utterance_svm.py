"""A support vector machine over pooled frames of sound, which tells whole texts apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.arrays import map_arrays
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.log_mel import Frames
from seqloom_portable.sound_reader import SoundReader
from seqloom_portable.transcripts import Transcript

Arrays = Mapping[str, NDArray[Any]]
"""`vectors` (vectors, features), the support vectors of one text after those of another, `support` of each;
`weights` (texts - 1, vectors) and `intercepts` of each pair of texts; `gamma` of the radial kernel; `mean` and `scale`
of the features; `texts`, lines as bytes."""

VECTORS_FILE = "support_vectors.safetensors"


def pooled(log_mel: Frames, segments: int) -> NDArray[np.float32]:
    """The mean of each stretch of a recording less that of all of it, the deviation of each band, and the logarithm of
    its length: (segments * bands + bands + 1,)."""
    centred = log_mel - log_mel.mean(0)
    edges = np.linspace(0, len(log_mel), segments + 1).astype(np.int64)
    last = len(log_mel) - 1
    parts = [centred[min(a, last) : max(b, a + 1)].mean(0) for a, b in itertools.pairwise(edges)]
    return np.concatenate([*parts, log_mel.std(0), [np.log(len(log_mel))]]).astype(np.float32)


def texts_of(arrays: Arrays) -> list[str]:
    return bytes(arrays["texts"]).decode("utf-8", errors="replace").split("\n")


def ranked_texts(arrays: Arrays, log_mel: Frames, segments: int) -> list[tuple[str, float]]:
    """The texts with the logarithm of the share of their votes, most votes first; of equals, the one that wins by
    more."""
    texts = texts_of(arrays)
    row = (pooled(log_mel, segments) - arrays["mean"]) / arrays["scale"]
    kernel = np.exp(-arrays["gamma"][0] * ((arrays["vectors"] - row) ** 2).sum(1))
    ends = np.concatenate([[0], np.cumsum(arrays["support"])])
    weighted = arrays["weights"] * kernel
    # (pairs' other side, class): what the support vectors of each class add in each of its machines.
    sums = np.stack([weighted[:, a:b].sum(1) for a, b in itertools.pairwise(ends)], axis=1)
    i, j = np.triu_indices(len(texts), 1)
    decisions = sums[j - 1, i] + sums[i, j] + arrays["intercepts"]
    votes = np.bincount(np.where(decisions > 0, i, j), minlength=len(texts))
    margins = np.bincount(i, decisions, len(texts)) - np.bincount(j, decisions, len(texts))
    scores = votes + margins / (3 * (np.abs(margins) + 1))
    log_shares = scores - np.logaddexp.reduce(scores)
    return [(texts[place], float(log_shares[place])) for place in np.argsort(-scores, kind="stable")]


def ranked_transcripts(arrays: Arrays, log_mel: Frames, segments: int, n_best: int) -> list[Transcript]:
    ranked = ranked_texts(arrays, log_mel, segments)[:n_best]
    return [Transcript(text, log_share, log_share, []) for text, log_share in ranked]


class UtteranceSvm:
    """Needs numpy alone."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:  # noqa: ARG002
        self.folder, self.reader = folder, SoundReader(folder.path)
        self.features, self.rate = self.reader.features, self.reader.features.rate
        self._segments: int = folder.manifest["segments"]
        self._arrays = {name: np.array(array) for name, array in map_arrays(folder.path / VECTORS_FILE).items()}

    def predict(self, inputs: Sequence[Any]) -> list[str]:
        """The most probable text of each recording."""
        return [best.text for best, *_ in self.answers(inputs)]

    def answers(self, inputs: Sequence[Any], n_best: int = 1) -> Iterator[list[Transcript]]:
        """Yields the most probable texts of each recording: the path of a file, samples (samples,) at the rate of the
        model, or samples and their rate. The scores are logarithms of the shares of votes."""
        if n_best < 1:
            raise PortableError(f"n_best is 1 or more, not {n_best}")
        for number, recording in enumerate(inputs, 1):
            log_mel = self.reader.log_mel_of(recording, f"input {number}")
            yield ranked_transcripts(self._arrays, log_mel, self._segments, n_best)
