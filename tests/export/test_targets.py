"""Classifiers of several labels and of numbers leave as ONNX folders, and answer as the run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import seqloom
import seqloom_portable
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.serving.hosted_folder import HostedFolder
from seqloom.serving.hosted_run import HostedRun
from tests.support.targets import write_label_sets, write_numbers

TEXTS = ["more more the less 5", "is it so a", "more", "great awful the", ""]
NETWORK = {"embedding.dim": 6, "model.hidden_size": 8, "tokenizer.min_count": 1}


@pytest.mark.parametrize("model", ["gru", "bow"])
@pytest.mark.parametrize("target", ["labels", "number"])
def test_the_folder_answers_as_the_run(model: str, target: str, tmp_path: Path) -> None:
    data = (write_label_sets if target == "labels" else write_numbers)(tmp_path / "data.tsv")
    run = seqloom.train(
        "classify", data, model=model, updates=40, out=tmp_path / "run", threads=1, quiet=True,
        settings={"target": target, **(NETWORK if model == "gru" else {})},
    )  # fmt: skip
    exporters["onnx"](run, tmp_path / "model", ExportOptions())
    exported = seqloom_portable.load(tmp_path / "model")
    assert exported.predict(TEXTS) == run.predict(TEXTS)
    for (ours,), (theirs,) in zip(exported.answers(TEXTS), run.answers(TEXTS), strict=True):
        if target == "number":
            assert ours.number == pytest.approx(theirs.number, rel=1e-4)
            continue
        assert ours.labels == theirs.labels
        np.testing.assert_allclose(
            list(ours.probabilities.values()), list(theirs.probabilities.values()), rtol=1e-3, atol=1e-5
        )
        assert ours.score == pytest.approx(theirs.score, rel=1e-3)
    hosted = HostedFolder("", tmp_path / "model", threads=1), HostedRun("", run)
    for (ours,), (theirs,) in zip(*(model.answers(TEXTS, {}) for model in hosted), strict=True):
        assert ours.keys() == theirs.keys()
    parity = json.loads((tmp_path / "model" / "parity.json").read_text(encoding="utf-8"))
    assert parity
    if model == "gru":
        exporters["onnx"](run, tmp_path / "int8", ExportOptions(int8=True, max_loss=0.9))
        loss = json.loads((tmp_path / "int8" / "parity.json").read_text(encoding="utf-8"))["int8"]
        assert loss["score"] == {"labels": "accuracy", "number": "mean absolute error"}[target]
        assert loss["float32"] > 0
