"""The charts of an explanation: no two of one name, and no two series or bars of one name in a chart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqloom.charts.figure import AltairFigure
from seqloom.explain.charts.section import Section
from seqloom.explain.health_table import health_rows, health_table
from seqloom.explain.measured import Measured
from seqloom.explain.measures.count_models import ClassWeights
from seqloom.explain.measures.dynamics import Dynamics
from seqloom.explain.measures.example_steps import ExampleSteps, HeadsByStep
from seqloom.explain.measures.gates import Gates, GatesByStep
from seqloom.explain.measures.gradient_reach import GradientReach
from seqloom.explain.measures.weight_gradients import WeightGradient
from seqloom.explain.results import Results
from seqloom.explain.sections import sections
from tests.explain.test_findings import HEALTHY

ENCODER, DECODER = "encoder.layer.stack.0", "decoder.stack.stack.0"


def measured(name: str, *layers: str) -> Measured:
    states = ("hidden state", "cell state")
    reach = [
        GradientReach(layer, state, [0, 1, 2], *([[1.0, 0.5, 0.25]] * 4), 0.5, 1.0, 2)  # type: ignore[arg-type]
        for layer in layers
        for state in states
    ]
    gates = [Gates(layer, {"forget gate": 0.1}, {"forget gate": 0.2}, [2.0, 1.0], None, None) for layer in layers]
    dynamics = [Dynamics(layer, [1.0, 0.9], [-0.1, -0.2], 0.9) for layer in layers]
    weights = [
        WeightGradient(layer, weight, [0.6, 0.3, 0.1], 1.0, 3)
        for layer in layers
        for weight in ("input weight", "recurrent weight", "bias")
    ]
    return Measured(
        name, "translate", "lstm", {}, {}, reach=reach, reach_before=reach, gates=gates, dynamics=dynamics,
        weights=weights,
    )  # fmt: skip


def drawn(*runs: Measured, **others: Any) -> dict[str, Section]:
    shown = list(sections(Results([], [], [], list(runs), **others)))
    by_name = {section.figure.name: section for section in shown}
    assert len(by_name) == len(shown)
    return by_name


def names(section: Section) -> list[str]:
    return list(dict.fromkeys(row[0] for row in section.figure.table.rows))


def test_the_layers_of_an_encoder_and_a_decoder_are_told_from_each_other() -> None:
    charts = drawn(measured("lstm", ENCODER, DECODER))
    assert names(charts["exponents"]) == ["encoder, 1", "encoder, 2", "decoder, 1", "decoder, 2"]
    assert names(charts["time-scales"]) == ["encoder", "decoder"]
    assert names(charts["weight-gradients"]) == ["encoder", "decoder"]
    for name in ("exponents", "saturation"):
        rows = charts[name].figure.table.rows
        assert len({row[0] for row in rows}) == len(rows)


def test_each_kind_of_state_has_a_chart_of_its_reach() -> None:
    charts = drawn(measured("lstm", ENCODER, DECODER), measured("gru", "layer.stack.0"))
    chart = charts["gradient-reach-cell-state"]
    assert chart.title == "Gradient reach: cell state"
    assert [name for name in names(chart) if "bound" not in name] == [
        "lstm enc", "lstm enc, dashed", "lstm dec", "lstm dec, dashed", "gru", "gru, dashed",
    ]  # fmt: skip
    assert isinstance(chart.figure, AltairFigure)


def test_stacked_layers_and_directions_have_names() -> None:
    charts = drawn(measured("lstm", "layer.stack.0", "layer.stack.1"))
    assert names(charts["time-scales"]) == ["layer 1", "layer 2"]
    both = (f"{ENCODER}.forward_layer", f"{ENCODER}.backward_layer")
    assert names(drawn(measured("lstm", *both, DECODER))["time-scales"]) == [
        "encoder forward", "encoder backward", "decoder",
    ]  # fmt: skip


def test_the_weights_of_two_bags_of_words_are_all_shown() -> None:
    weights = [ClassWeights("animal", ["cat"], [1.0]), ClassWeights("plant", ["oak"], [2.0])]
    runs = [Measured(name, "classify", "bow", {}, {}) for name in ("first", "second")]
    charts = drawn(*runs, class_weights={"first": weights, "second": weights})
    assert len(charts) == 4


def test_the_fitted_decay_of_each_layer_stands_above_its_chart() -> None:
    chart = drawn(measured("lstm", ENCODER, DECODER))["gradient-reach-cell-state"]
    assert "encoder 0.5 (1) before, 0.5 (1) after; decoder 0.5 (1) before" in chart.about


def test_gates_and_heads_along_the_example_are_drawn() -> None:
    steps = ["a", "<b>"]
    gates = [GatesByStep(layer, steps, {"forget gate": [0.25, 1.0]}) for layer in (ENCODER, DECODER)]
    attention = HeadsByStep("layer.blocks.0", steps, np.array([[[1, 0]], [[0.5, 0.5]]], np.float32), 1, False)
    memory = HeadsByStep("layer", steps, np.full((2, 2, 4), 0.25, np.float32), 1, True, np.ones((3, 2), np.float32))
    run = replace(measured("lstm", ENCODER, DECODER), example=ExampleSteps(gates, [attention, memory]))
    charts = drawn(run)
    assert charts["gates-1-1"].figure.table.columns == ["step", "enc forget", "dec forget"]
    assert charts["gates-1-1"].figure.table.rows == [["a", "0.250", "0.250"], ["<b>", "1.000", "1.000"]]
    assert charts["heads-1-1"].title == "Attention map: block 1"
    assert charts["heads-1-1"].figure.table.rows[1] == ["1", "<b>", "position 0: 0.50"]
    assert charts["heads-1-2"].figure.table.columns == ["step", "", "read weights", "write weights"]
    assert ">inputs<" in charts["heads-1-2"].figure.inline_svg()


def test_the_health_of_a_training_is_a_table() -> None:
    run = replace(measured("lstm", ENCODER), health=HEALTHY)
    assert health_rows(run)["a step over the weights, at the end"] == "1.00%"
    assert health_rows(run)["updates that were clipped"] == "no clipping"
    html = health_table([run, replace(measured("<gru>", ENCODER))])
    assert "<th>lstm</th><th>&lt;gru&gt;</th>" in html
    assert "<td>padding in the batches</td><td>0%</td><td>–</td>" in html
    assert health_table([Measured("n", "t", "m", {}, {})]) == ""


def test_the_only_layer_shows_the_weights_of_the_inputs_too_and_what_the_last_steps_hold_together() -> None:
    chart = drawn(measured("lstm", ENCODER))["weight-gradients"]
    assert names(chart) == ["input weights, dashed", "recurrent weights"]
    (recurrent,) = (line for line in chart.figure.table.rows if line[0] == "recurrent weights" and line[1] == "2")
    assert float(recurrent[2]) == pytest.approx(0.9)
