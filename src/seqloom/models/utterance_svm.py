"""A support vector machine over pooled frames of sound: the baseline of recognisers, which knows whole texts alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.example import Frames
from seqloom.errors import RequestError, SeqloomError
from seqloom.models.fitted import FittedInOnePass
from seqloom.storage.arrays import map_arrays, write_arrays

_MOST_TEXTS = 1_000
_NAMES = ("mean", "scale", "vectors", "weights", "intercepts", "support", "gamma", "texts")


class SvmSettings(Settings):
    segments: int = Field(8, gt=0, le=64, description="stretches of a recording whose mean frames are its features")
    c: tuple[float, ...] = Field(
        (1.0, 10.0, 100.0),
        description="costs of an error in training, of which validation data chooses",
    )


def pooled(log_mel: Frames, segments: int) -> NDArray[np.float32]:
    """The mean of each stretch of a recording less that of all of it, the deviation of each band, and the logarithm of
    its length: (segments * bands + bands + 1,)."""
    centred = log_mel - log_mel.mean(0)
    edges = np.linspace(0, len(log_mel), segments + 1).astype(np.int64)
    last = len(log_mel) - 1
    parts = [centred[min(a, last) : max(b, a + 1)].mean(0) for a, b in itertools.pairwise(edges)]
    return np.concatenate([*parts, log_mel.std(0), [np.log(len(log_mel))]]).astype(np.float32)


class UtteranceSvm(FittedInOnePass):
    """One against one, with a radial kernel (Boser et al. 1992; Cortes and Vapnik 1995). scikit-learn fits it; to use
    it, only its support vectors are needed."""

    description = "A support vector machine over pooled frames: the baseline for networks."
    source = "Boser et al. 1992; Cortes and Vapnik 1995"
    settings = SvmSettings

    def __init__(self, settings: SvmSettings) -> None:
        self.options = settings
        self._arrays: dict[str, NDArray[Any]] = {}

    def fit(self, train: Any, valid: Any, codec: Any) -> None:  # noqa: ARG002
        """`train` and `valid` are `SpokenData`. Raises RequestError if scikit-learn is not installed, or if the texts
        are no closed set."""
        try:
            from sklearn.svm import SVC  # an extra, and slow to import
        except ModuleNotFoundError:
            raise RequestError(
                "a package that fits the baseline is not installed", got="scikit-learn",
                hint="pip install 'seqloom[baselines]'",
            ) from None  # fmt: skip
        texts = sorted(set(train.texts))
        if not 2 <= len(texts) <= min(_MOST_TEXTS, max(2, train.num_lines // 2)):
            raise RequestError(
                "this model tells whole texts apart, and does not write new ones", where="svm",
                got=f"{len(texts)} different texts in {train.num_lines} recordings",
                expected=f"2 to {_MOST_TEXTS}, each of them several times", hint="take a model with CTC",
            )  # fmt: skip
        rows, labels = self._features(train), np.array([texts.index(text) for text in train.texts])
        mean, scale = rows.mean(0), np.maximum(rows.std(0), 1e-6)
        scaled, best = (rows - mean) / scale, -1.0
        for cost in self.options.c:
            machine = SVC(C=cost, gamma="scale").fit(scaled, labels)
            fitted = {
                "mean": mean, "scale": scale, "vectors": machine.support_vectors_, "weights": machine._dual_coef_,
                "intercepts": machine._intercept_, "gamma": np.array([machine._gamma]),
            }  # fmt: skip
            arrays: dict[str, NDArray[Any]] = {name: np.asarray(array, np.float64) for name, array in fitted.items()}
            arrays["support"] = np.asarray(machine.n_support_, np.int64)
            arrays["texts"] = np.frombuffer("\n".join(texts).encode(), np.uint8).copy()
            before, self._arrays = self._arrays, arrays
            hits = [text == self.ranked(valid.log_mel(i))[0][0] for i, text in enumerate(valid.texts)]
            if float(np.mean(hits)) > best:
                best = float(np.mean(hits))
            else:
                self._arrays = before

    def _features(self, data: Any) -> NDArray[np.float64]:
        return np.stack([pooled(data.log_mel(i), self.options.segments) for i in range(data.num_lines)]).astype(float)

    def save(self, folder: Path) -> None:
        write_arrays(folder / "model.safetensors", self._arrays, {"format": "seqloom svm 1"})

    def open(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        self._arrays = {name: np.array(array) for name, array in map_arrays(path).items()}
        if set(self._arrays) != set(_NAMES) or not self._shapes_agree():
            shapes = ", ".join(f"{name} {array.shape}" for name, array in sorted(self._arrays.items()))
            raise SeqloomError("the model is damaged", where=str(path), got=shapes, hint="train it again")

    def _shapes_agree(self) -> bool:
        classes, features = len(self.texts), self._arrays["mean"].size
        vectors = int(self._arrays["support"].sum())
        expected = {
            "mean": (features,), "scale": (features,), "vectors": (vectors, features), "gamma": (1,),
            "support": (classes,), "weights": (classes - 1, vectors), "intercepts": (classes * (classes - 1) // 2,),
        }  # fmt: skip
        return all(self._arrays[name].shape == shape for name, shape in expected.items())

    @property
    def texts(self) -> list[str]:
        return bytes(self._arrays["texts"]).decode("utf-8", errors="replace").split("\n")

    def num_parameters(self) -> int:
        """The numbers of the support vectors and their weights."""
        return int(self._arrays["vectors"].size + self._arrays["weights"].size)

    def ranked(self, log_mel: Frames) -> list[tuple[str, float]]:
        """The texts with the logarithm of the share of their votes, most votes first; of equals, the one that wins by
        more."""
        arrays, texts = self._arrays, self.texts
        row = (pooled(log_mel, self.options.segments) - arrays["mean"]) / arrays["scale"]
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
