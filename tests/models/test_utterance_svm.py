"""The support vector machine over recordings: its votes, its shares, and what it refuses to open."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from seqloom.errors import SeqloomError
from seqloom.models.utterance_svm import SvmSettings, UtteranceSvm
from seqloom.storage.arrays import write_arrays
from seqloom_portable.utterance_svm import pooled


def save_machine(folder: Path, classes: int, **changes: np.ndarray) -> UtteranceSvm:
    """A machine with a support vector for each class, in which every class wins against those after it."""
    arrays = {
        "mean": np.zeros(7), "scale": np.ones(7), "vectors": np.zeros((classes, 7)), "gamma": np.ones(1),
        "support": np.ones(classes, np.int64), "weights": np.zeros((classes - 1, classes)),
        "intercepts": np.ones(classes * (classes - 1) // 2),
        "texts": np.frombuffer("\n".join(map(str, range(classes))).encode(), np.uint8),
    }  # fmt: skip
    write_arrays(folder / "model.safetensors", {**arrays, **changes}, {"format": "seqloom svm 1"})
    return UtteranceSvm(SvmSettings(segments=2))


def test_many_texts_have_finite_shares_with_sum_1(tmp_path: Path) -> None:
    """The share of a text with a thousand votes fewer than the best is too small for a float; its logarithm is not."""
    machine = save_machine(tmp_path, 1_000)
    machine.open(tmp_path)
    ranked = machine.ranked(np.zeros((5, 2), np.float32), n_best=1_000)
    assert [transcript.text for transcript in ranked] == [str(number) for number in range(1_000)]
    assert all(math.isfinite(transcript.score) for transcript in ranked)
    assert sum(math.exp(transcript.score) for transcript in ranked) == pytest.approx(1)


@pytest.mark.parametrize("name", ["mean", "scale", "vectors", "gamma", "support", "weights", "intercepts", "texts"])
def test_arrays_of_other_shapes_are_refused(name: str, tmp_path: Path) -> None:
    machine = save_machine(tmp_path, 4, **{name: np.ones(3, np.uint8 if name == "texts" else np.float64)})
    with pytest.raises(SeqloomError, match="damaged"):
        machine.open(tmp_path)


def test_the_votes_are_those_of_scikit_learn() -> None:
    svm = pytest.importorskip("sklearn.svm")
    rng = np.random.default_rng(0)
    shape = np.arange(20)[:, None]
    sounds = [(rng.normal(size=(20, 4)) + 2 * np.eye(4)[number % 4] * shape).astype(np.float32) for number in range(60)]

    class Data:
        texts, num_lines = tuple("abcd"[number % 4] for number in range(60)), 60

        def log_mel(self, number: int) -> np.ndarray:
            return sounds[number]

    model = UtteranceSvm(SvmSettings(segments=3, c=(1.0,)))
    model.fit(Data(), Data(), None)
    rows = np.stack([pooled(sound, 3) for sound in sounds]).astype(float)
    scaled = (rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-6)
    expected = svm.SVC(C=1.0, gamma="scale").fit(scaled, list(Data.texts)).predict(scaled)
    assert [model.ranked(sound)[0].text for sound in sounds] == list(expected)
