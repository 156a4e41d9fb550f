"""The average of the weights: what it is by definition, in place only while it is asked for, and saved."""

from __future__ import annotations

from pathlib import Path

import torch

from seqloom.training.checkpoint import load_checkpoint
from seqloom.training.weight_average import WeightAverage
from tests.support.small_runs import train_small


def test_it_is_the_mean_first_and_then_decays() -> None:
    weight = torch.nn.Parameter(torch.tensor([0.0]))
    average = WeightAverage([weight], decay=0.5)
    expected = 0.0
    for updates in range(1, 30):
        weight.data.fill_(float(updates))
        average.add(updates)
        kept = min(0.5, (1 + updates) / (10 + updates))
        expected = kept * expected + (1 - kept) * updates
    torch.testing.assert_close(average.tensors[0], torch.tensor([expected]))


def test_it_is_in_place_only_while_asked_for() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage([weight], decay=0.9)
    weight.data.fill_(3.0)
    with average.in_place():
        assert weight.item() == 1.0
    assert weight.item() == 3.0
    assert average.tensors[0].item() == 1.0


def test_no_decay_is_the_weights_themselves(tmp_path: Path) -> None:
    run = train_small(tmp_path / "run", updates=6, training__average=0.0, training__evaluations=1)
    checkpoint = load_checkpoint(tmp_path / "run" / "training")
    assert checkpoint is not None
    assert not checkpoint.average
    assert all(torch.equal(parameter, checkpoint.model[name]) for name, parameter in run.model.named_parameters())


def test_a_run_keeps_the_averaged_weights_and_goes_on_from_both(tmp_path: Path) -> None:
    run = train_small(tmp_path / "run", updates=6, training__average=0.9, training__evaluations=1)
    checkpoint = load_checkpoint(tmp_path / "run" / "training")
    assert checkpoint is not None
    names = [name for name, _ in run.model.named_parameters()]
    kept = dict(run.model.named_parameters())
    for name, average in zip(names, checkpoint.average, strict=True):
        assert torch.equal(kept[name].detach(), average)
    assert any(not torch.equal(checkpoint.model[name], kept[name].detach()) for name in names)
