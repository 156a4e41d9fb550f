"""A support vector machine over pooled frames of sound: the baseline of recognisers, which knows whole texts alone."""

from __future__ import annotations

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
from seqloom_portable.transcripts import Transcript
from seqloom_portable.utterance_svm import pooled, ranked_transcripts, texts_of

_MOST_TEXTS = 1_000
_NAMES = ("mean", "scale", "vectors", "weights", "intercepts", "support", "gamma", "texts")


class SvmSettings(Settings):
    segments: int = Field(8, gt=0, le=64, description="stretches of a recording whose mean frames are its features")
    c: tuple[float, ...] = Field(
        (1.0, 10.0, 100.0),
        description="costs of an error in training, of which validation data chooses",
    )


class UtteranceSvm(FittedInOnePass):
    """One against one, with a radial kernel (Boser et al. 1992; Cortes and Vapnik 1995). scikit-learn fits it; to use
    it, only its support vectors are needed."""

    description = "A support vector machine over pooled frames: the baseline for networks."
    source = "Boser et al. 1992; Cortes and Vapnik 1995"
    settings = SvmSettings

    def __init__(self, settings: SvmSettings) -> None:
        self.options = settings
        self.arrays: dict[str, NDArray[Any]] = {}

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
            before, self.arrays = self.arrays, arrays
            hits = [text == self.ranked(valid.log_mel(i))[0].text for i, text in enumerate(valid.texts)]
            if float(np.mean(hits)) > best:
                best = float(np.mean(hits))
            else:
                self.arrays = before

    def _features(self, data: Any) -> NDArray[np.float64]:
        return np.stack([pooled(data.log_mel(i), self.options.segments) for i in range(data.num_lines)]).astype(float)

    def save(self, folder: Path) -> None:
        write_arrays(folder / "model.safetensors", self.arrays, {"format": "seqloom svm 1"})

    def open(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        self.arrays = {name: np.array(array) for name, array in map_arrays(path).items()}
        if set(self.arrays) != set(_NAMES) or not self._shapes_agree():
            shapes = ", ".join(f"{name} {array.shape}" for name, array in sorted(self.arrays.items()))
            raise SeqloomError("the model is damaged", where=str(path), got=shapes, hint="train it again")

    def _shapes_agree(self) -> bool:
        classes, features = len(self.texts), self.arrays["mean"].size
        vectors = int(self.arrays["support"].sum())
        expected = {
            "mean": (features,), "scale": (features,), "vectors": (vectors, features), "gamma": (1,),
            "support": (classes,), "weights": (classes - 1, vectors), "intercepts": (classes * (classes - 1) // 2,),
        }  # fmt: skip
        return all(self.arrays[name].shape == shape for name, shape in expected.items())

    @property
    def texts(self) -> list[str]:
        return texts_of(self.arrays)

    def num_parameters(self) -> int:
        """The numbers of the support vectors and their weights."""
        return int(self.arrays["vectors"].size + self.arrays["weights"].size)

    def ranked(self, log_mel: Frames, n_best: int = 1) -> list[Transcript]:
        """The most probable texts, with the logarithm of the share of their votes."""
        return ranked_transcripts(self.arrays, log_mel, self.options.segments, n_best)
