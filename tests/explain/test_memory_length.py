"""Curves of cut contexts: generated texts and series of a known order, and every kind of model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seqloom
from seqloom.explain.measures.memory_length import context_sizes, curve_of, flat_from, memory_curve
from seqloom.explain.probes.make import make_probe


def markov_text(order: int, tokens: int, seed: int = 3) -> list[str]:
    """Letters a and b, the next of which depends on all of the last `order`: lines of 500."""
    half, rng = 2 ** (order - 1), np.random.default_rng(seed)
    table = np.random.default_rng(order).choice([0.05, 0.95], size=2**order)
    table[half:] = 1 - table[:half]  # so that the oldest of them matters in every context
    state, symbols = 0, []
    for uniform in rng.random(tokens):
        symbol = int(uniform < table[state])
        symbols.append("ab"[symbol])
        state = (state * 2 + symbol) % 2**order
    return [" ".join(symbols[i : i + 500]) for i in range(0, tokens, 500)]


@pytest.mark.parametrize("order", [1, 3, 8])
def test_markov_text_needs_as_much_context_as_its_order(order: int, tmp_path: Path) -> None:
    lines = markov_text(order, 40_000)
    settings = {"model.order": order + 4, "model.smoothing": "witten-bell", "tokenizer.min_count": 1}
    run = seqloom.train(
        "language-model", lines, model="ngram", out=tmp_path / "run", quiet=True, threads=1, settings=settings
    )
    probe = make_probe(run, run.read(markov_text(order, 10_000, seed=4)))
    assert probe is not None
    assert memory_curve(probe).memory_length == order


@pytest.mark.parametrize("order", [1, 3, 8])
def test_an_autoregressive_series_needs_as_many_values_as_its_order(order: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(order)
    values = np.zeros(1_500)
    weights = {1: [0.9], 3: [0.2, 0.1, 0.65], 8: [0.1, 0, 0, 0, 0.1, 0, 0, 0.75]}[order]
    for step in range(8, len(values)):
        values[step] = sum(w * values[step - 1 - k] for k, w in enumerate(weights)) + rng.standard_normal()
    path = tmp_path / "series.csv"
    days = np.datetime64("2001-01-01") + np.arange(len(values))
    path.write_text("date,value\n" + "".join(f"{d},{v:.5f}\n" for d, v in zip(days, values, strict=True)))
    settings = {"data.horizon": 1, "data.period": 1, "model.context": 12, "model.transform": "none"}
    run = seqloom.train(
        "forecast", str(path), model="ridge", out=tmp_path / "run", quiet=True, threads=1, settings=settings
    )
    probe = make_probe(run, run.read(str(path)))
    assert probe is not None
    assert memory_curve(probe).memory_length == order


def test_sizes_are_dense_below_nine_and_end_with_the_longest() -> None:
    sizes = context_sizes(50)
    assert sizes[:9] == list(range(9))
    assert sizes[-1] == 50
    assert sizes == sorted(set(sizes))
    assert context_sizes(3, 1) == [1, 2, 3]


def test_a_curve_is_flat_where_little_is_left_to_gain() -> None:
    assert flat_from(np.array([2.0, 1.5, 1.01, 1.0, 1.0])) == 2
    assert flat_from(np.array([1.0, 1.0, 1.0])) == 0
    assert flat_from(np.array([2.0, 1.0, 1.3, 1.4])) == 1  # a longer context that harms is not needed
    assert flat_from(np.array([1.0, 2.0])) == 0


def test_a_curve_has_an_interval_that_holds_its_memory_length() -> None:
    rng = np.random.default_rng(1)
    losses = np.stack([mean + 0.1 * rng.standard_normal(300) for mean in (3.0, 2.0, 1.0, 1.0)])
    curve = curve_of([0, 1, 2, 4], losses, "tokens", "nats")
    assert curve.memory_length == 2
    assert curve.memory_low <= 2 <= curve.memory_high
    assert curve.uses_context
    assert all(low < loss < high for low, loss, high in zip(curve.low, curve.loss, curve.high, strict=True))
    assert not curve_of([0, 1], rng.standard_normal((2, 30)) * 1e-9, "tokens", "nats").gain > 1e-6
