"""Transformers leave for CTranslate2 with the same scores, and others are told which setting would help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom_portable
from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.export.onnx.gate import ParityError
from seqloom.export.options import ExportOptions
from seqloom.formats.ctranslate2 import transformer
from seqloom.formats.ctranslate2.transformer import translator_spec
from tests.contract import test_encoder_decoders
from tests.support.command_line import CommandLine
from tests.support.pairs import train_pairs
from tests.support.small_runs import train_small
from tests.support.vectors_with_texts import train_scenes

LINES = ["the cat sat", "a b c", "", "w1 w2 w3"]


def exported(run: Any, folder: Path, **options: Any) -> Any:
    exporters["ctranslate2"](run, folder, ExportOptions(**options))
    return seqloom_portable.load(folder)


def test_a_translator_leaves(tmp_path: Path, portable_command: CommandLine) -> None:
    run = train_pairs(tmp_path / "run", model="transformer", updates=20, output__kind="full")
    model = exported(run, tmp_path / "out")
    parity = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert parity["largest_difference"] <= 2e-5
    assert parity["answers"]["lines"] > 0
    assert model.predict(LINES, beam_size=1) == run.predict(LINES, beam_size=1)
    pairs = [(line, line[::-1]) for line in LINES if line]
    expected = [score.log_prob for score in run.score(pairs)]
    assert [score.log_prob for score in model.score(pairs)] == pytest.approx(expected, abs=1e-4)
    lines = "".join(f"{source}\t{target}\n" for source, target in pairs)
    scored = portable_command(tmp_path / "out", "score", standard_input=lines)
    assert list(map(float, scored.output.split())) == pytest.approx(expected, abs=1e-3)


def test_a_language_model_of_lines_leaves(tmp_path: Path) -> None:
    run = train_small(tmp_path / "run", model="transformer", updates=4, data__mode="lines", model__window=0)
    before = [parameter.clone() for parameter in run.model.parameters()]
    model = exported(run, tmp_path / "out")
    expected = [score.log_prob for score in run.score(LINES)]
    assert [score.log_prob for score in model.score(LINES)] == pytest.approx(expected, abs=1e-4)
    exported(run, tmp_path / "int8", int8=True, max_loss=0.9)
    assert all(map(torch.equal, before, run.model.parameters()))  # the converter writes over what it is given
    sizes = [(tmp_path / name / "model.bin").stat().st_size for name in ("out", "int8")]
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"model": "lstm"}, "transformer"),
        ({"model": "transformer"}, "window"),
    ],
)
def test_what_the_engine_has_not_is_said(changes: dict[str, Any], setting: str, tmp_path: Path) -> None:
    run = train_small(tmp_path / "run", updates=2, **changes)
    with pytest.raises(RequestError) as refused:
        exported(run, tmp_path / "out")
    assert setting in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [("output.kind=adaptive", "output.kind=full"), ("output.skip_connection=True", "output.skip_connection")],
)
def test_another_output_layer_is_refused_with_the_setting_that_helps(setting: str, said: str) -> None:
    cases = test_encoder_decoders.cases()
    case = next(case.values[0] for case in cases if case.id == f"transformer-{setting}")
    with pytest.raises(RequestError) as refused:
        translator_spec(test_encoder_decoders.build(case), ["a"] * 20, ["b"] * 80)
    assert said in str(refused.value)


def test_a_wrong_specification_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interleaved rotary positions rotate other pairs, unless a head has a single pair."""
    heads = {"encoder.num_heads": 1, "decoder.num_heads": 1}
    run = train_pairs(tmp_path / "run", model="transformer", updates=20, output__kind="full", **heads)
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    monkeypatch.setitem(transformer._COMMON, "rotary_interleave", True)
    with pytest.raises(ParityError):
        exported(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_table_is_the_map_after_it_too() -> None:
    """Where embedding and model have other sizes, a linear map stands between them."""
    case = next(case.values[0] for case in test_encoder_decoders.cases() if case.id == "transformer")
    model = test_encoder_decoders.build(case).float().eval()
    names = [[f"{side}{i}" for i in range(size)] for side, size in (("s", 20), ("t", 80))]
    for side in names:
        side[:4] = ["<pad>", "<unk>", "<sos>", "<eos>"]
    spec = translator_spec(model, *names)
    assert spec.decoder.embeddings.weight.shape == (80, model.decoder.output_size)
    assert spec.decoder.projection.weight.dtype == np.float32


def test_a_describer_is_refused(tmp_path: Path) -> None:
    """It is an encoder-decoder too, but its source is no text."""
    run = train_scenes(tmp_path / "run", updates=1)
    with pytest.raises(RequestError, match="translators and language models"):
        exported(run, tmp_path / "out")
