"""What each step adds to the gradients of weights: together they are the gradients that autograd computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.explain.measures.weight_gradients import weight_gradients
from seqloom.explain.probes.make import make_probe
from seqloom.explain.probes.probe import NetworkProbe, whole_sequences
from tests.support.labelled import train_labelled, write_series
from tests.support.pairs import train_pairs, write_pairs


def probe_of(folder: Path, model: str, **settings: object) -> NetworkProbe:
    """Of at most 16 examples of unequal lengths."""
    if "attention" in model or model == "gru":
        data = write_pairs(folder / "pairs.tsv", 16)
        run = train_pairs(folder / "run", model=model, updates=3)
    else:
        data = write_series(folder / "numbers.ts", 16)
        run = train_labelled(folder / "run", model=model, data=data, valid=data, updates=3, **settings)
    probe = make_probe(run, run.read(str(data)))
    assert isinstance(probe, NetworkProbe)
    return probe


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("lstm", {"model__num_layers": 2, "model__zoneout": 0.1}),
        ("birnn", {}),
        ("gru", {}),
        ("gru+attention", {}),
    ],
)
def test_the_steps_add_up_to_the_gradient(model: str, settings: dict[str, object], tmp_path: Path) -> None:
    probe = probe_of(tmp_path, model, **settings)
    with whole_sequences(probe.network):
        measured = weight_gradients(probe)
        assert measured
        for backward in (False, True):
            probe.end_loss(probe.network, at_start=backward).total.backward()
            expected = {n: p.grad.norm().item() for n, p in probe.network.named_parameters() if p.grad is not None}
            probe.network.zero_grad()
            for weight in (w for w in measured if ("backward" in w.layer) == backward):
                name = f"{weight.layer}.cell.{weight.weight.replace(' ', '_')}"
                assert weight.norm == pytest.approx(expected[name], rel=1e-4)
                assert sum(weight.shares) == pytest.approx(1.0)
                assert 1 <= weight.reach <= len(weight.shares)
