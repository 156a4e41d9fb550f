"""Every network of every registry passes the parity gate, with every option of its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqloom.data.tokenizer import SPECIALS
from seqloom.export.onnx.gate import Gate, check_inputs_are_used
from seqloom.export.onnx.manifest import describe_graphs
from seqloom.export.onnx.networks import graphs_of
from seqloom.export.onnx.parity import check_parity
from seqloom.formats.onnx.model_file import write_graphs
from seqloom.models.bit_predictor import BitPredictor
from seqloom.models.language_model import LanguageModel
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.layer import layers
from seqloom.nn.output import OutputSettings
from seqloom_portable.engine import Engine
from tests.contract import test_classifiers, test_encoder_decoders, test_taggers
from tests.contract.test_layers import cases as layer_cases

COUNTS = 3_000 // np.arange(1, 101)
OUTPUTS: list[dict[str, Any]] = [
    {"kind": "full"},
    {"kind": "adaptive"},
    {"kind": "full", "tied": False, "skip_connection": True},
]


def passes(model: Any, folder: Path) -> Gate:
    """Whether the network in single precision and its graphs say the same."""
    model = (model.float() if next(model.parameters()).dtype == torch.float64 else model).eval()
    _, graphs = graphs_of(model)
    write_graphs({exported.name: exported.graph for exported in graphs}, folder)
    for exported in graphs:
        check_inputs_are_used(exported)
    engines = {name: Engine(folder, described) for name, described in describe_graphs(graphs).items()}
    gate = Gate()
    check_parity(model, engines, gate)
    return gate


def away_from_zero(model: Any, by: float = 0.2) -> Any:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("case", layer_cases(causal_only=True))
@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_language_models(case: tuple[str, dict[str, Any]], output: dict[str, Any], tmp_path: Path) -> None:
    name, values = case
    if output != OUTPUTS[0] and values.keys() - {"hidden_size", "model_dim", "num_heads", "num_layers"}:
        pytest.skip("each output is tested with the plain layers, each option of a layer with one output")
    torch.manual_seed(1)
    settings: Any = layers[name].settings(**values)
    embedding = EmbeddingSettings(dim=7)
    model = LanguageModel.build(layers[name], settings, embedding, OutputSettings(**output), COUNTS)
    # A recurrence with relu grows without end where its weights are large.
    passes(away_from_zero(model, 0.0 if "activation" in values else 0.2), tmp_path)


@pytest.mark.parametrize("case", [case for case in test_classifiers.cases() if not case.id.startswith("bow")])
def test_classifiers_(case: tuple[str, str, bool], tmp_path: Path) -> None:
    passes(test_classifiers.build(case), tmp_path)


@pytest.mark.parametrize("case", test_taggers.cases(layers))
def test_taggers_(case: Any, tmp_path: Path) -> None:
    passes(case.build(), tmp_path)


@pytest.mark.parametrize("case", test_encoder_decoders.cases())
@pytest.mark.parametrize("source", [test_encoder_decoders.SOURCE], ids=["tokens"])
def test_encoder_decoders_(case: Any, source: Any, tmp_path: Path) -> None:
    passes(test_encoder_decoders.build(case, source), tmp_path)


@pytest.mark.parametrize("name", ["ntm", "lstm", "bigru", "transformer"])
def test_bit_predictors(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    settings = layers[name].settings()
    passes(away_from_zero(BitPredictor(layers[name], settings, 5, 3), 0.05), tmp_path)


def test_specials_come_first() -> None:
    """The portable package has the same numbers for them."""
    from seqloom_portable import specials

    assert specials.SPECIALS == SPECIALS
