"""Where a bottleneck begins, on losses that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqloom.explain.measured import Measured
from seqloom.explain.measures.source_length import SourceLength, bottleneck
from seqloom.explain.verdict import sentences_of_all

LENGTHS = [3.0, 6.0, 9.0, 12.0, 15.0, 18.0]
NOISE = np.random.default_rng(1).standard_normal(600) * 0.2


def by_length(extra: list[float], attends: bool = False) -> SourceLength:
    """Losses of 100 examples for each length: 1 and the `extra` of the length, with noise."""
    losses = 1 + np.repeat(extra, 100) + (NOISE if attends else NOISE[::-1])
    means = losses.reshape(6, 100).mean(1).tolist()
    return SourceLength(LENGTHS, means, 15, 1.0, 1.0, attends, losses.tolist())


ATTENDING = by_length([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], attends=True)


def test_it_begins_where_the_model_without_attention_falls_behind() -> None:
    """Both find long sources harder."""
    measured = bottleneck(by_length([0.1, 0.2, 0.3, 0.9, 1.2, 1.6]), ATTENDING)
    assert measured.begins == 12
    assert abs(measured.short - 0.1) < 0.05
    assert abs(measured.long - 1.1) < 0.05


def test_a_model_that_is_worse_at_every_length_has_none() -> None:
    assert bottleneck(by_length([0.5, 0.6, 0.7, 0.8, 0.9, 1.0]), ATTENDING).begins is None
    assert bottleneck(by_length([0.0, 0.1, 0.9, 0.3, 0.4, 0.5]), ATTENDING).begins is None  # one length alone


def test_the_verdict_says_it_of_two_runs() -> None:
    attending = Measured("attention", "translate", "lstm+attention", {}, {}, by_length=ATTENDING)
    without = replace(attending, name="lstm", by_length=by_length([0.1, 0.2, 0.3, 0.9, 1.2, 1.6]))
    sentence = sentences_of_all([without, attending])[0]
    assert "bottleneck of lstm begins at sources of about 12 tokens" in sentence
    assert not any("bottleneck" in sentence for run in (without, attending) for sentence in sentences_of_all([run]))
