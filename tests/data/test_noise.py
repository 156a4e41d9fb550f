"""Kneser-Ney noise in the tokens of a training: what is replaced, how often, and by what."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import seqloom
from seqloom.data import noise
from seqloom.data.batches import Loader, StreamLoader
from seqloom.data.line_batches import LineLoader
from seqloom.data.noise import NoisedLoader, distinct_neighbours
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.run.plan import make_settings
from seqloom.tasks import language_model, tasks
from tests.support.small_runs import assert_same_run, signal_after, train_small

VOCAB = 12


def text(lines: list[list[int]]) -> TokenFile:
    rows = [[*line, EOS] for line in lines]
    ids = np.array([i for row in rows for i in row], np.uint16)
    return TokenFile(ids, np.cumsum([0, *map(len, rows)]), num_bytes=len(ids), num_unknown=0)


@given(st.lists(st.lists(st.integers(4, VOCAB - 1), max_size=9), min_size=1, max_size=9), st.integers(1, 20))
def test_neighbours_are_counted_once_each(lines: list[list[int]], at_once: int) -> None:
    tokens = text(lines)
    after: dict[int, set[int]] = defaultdict(set)
    before: dict[int, set[int]] = defaultdict(set)
    for one, other in zip(tokens.ids[:-1].tolist(), tokens.ids[1:].tolist(), strict=True):
        after[one].add(other)
        before[other].add(one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, "_TOKENS_AT_ONCE", at_once)
        followers, predecessors = distinct_neighbours(tokens, VOCAB)
    assert followers.tolist() == [len(after[i]) for i in range(VOCAB)]
    assert predecessors.tolist() == [len(before[i]) for i in range(VOCAB)]


CHANCE = np.random.default_rng(1)
TOKENS = text([CHANCE.integers(4, VOCAB, size).tolist() for size in CHANCE.integers(0, 30, 400)])
LOADERS: dict[str, Loader] = {
    "stream": StreamLoader(TOKENS, 20, 35, seed=1),
    "shorter steps": StreamLoader(TOKENS, 20, 35, seed=1, advance=10),
    "lines": LineLoader(TOKENS, 300, seed=1),
}


@pytest.fixture(params=LOADERS)
def loader(request: pytest.FixtureRequest) -> Loader:
    return LOADERS[request.param]


def epochs(loader: Loader, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All inputs and targets, one after the other."""
    batches = [loader.batch(epoch, step) for epoch in range(count) for step in range(loader.num_steps(epoch))]
    return torch.cat([b.inputs.flatten() for b in batches]), torch.cat([b.targets.flatten() for b in batches])


def test_rates_and_draws_are_those_of_the_paper(loader: Loader) -> None:
    noised = NoisedLoader(loader, TOKENS, 0.5, 1, VOCAB)
    inputs, targets = epochs(loader, 30)
    new_inputs, new_targets = epochs(noised, 30)
    followers, predecessors = distinct_neighbours(TOKENS, VOCAB)
    draws = predecessors * ~np.isin(np.arange(VOCAB), [PAD, SOS, EOS])
    draws /= draws.sum()
    rates = 0.5 * followers / np.maximum(TOKENS.counts(VOCAB), 1)
    for token in range(4, VOCAB):
        places = inputs == token
        count = int(places.sum())
        changed = float((new_inputs[places] != token).double().mean())
        expected = rates[token] * (1 - draws[token])
        assert changed == pytest.approx(expected, abs=5 * (expected / count) ** 0.5)
    drawn = np.bincount(new_inputs[new_inputs != inputs].numpy(), minlength=VOCAB)
    np.testing.assert_allclose(drawn / drawn.sum(), draws, atol=0.03)
    # A new target comes with a new input, which may be the old one.
    without = (new_inputs == inputs) & (new_targets != targets)
    assert float(without.double().mean()) < 2 * float((rates * draws).max())


def test_ends_of_lines_and_padding_stay(loader: Loader) -> None:
    noised = NoisedLoader(loader, TOKENS, 1.0, 1, VOCAB)
    for before, after in zip(epochs(loader, 3), epochs(noised, 3), strict=True):
        fixed = before < 4
        assert torch.equal(after[fixed], before[fixed])
        assert (after[~fixed] >= 4).all()
        assert not torch.equal(after, before)


def test_a_batch_is_a_function_of_epoch_and_step(loader: Loader) -> None:
    first, again = (NoisedLoader(loader, TOKENS, 0.5, 1, VOCAB) for _ in range(2))
    other = NoisedLoader(loader, TOKENS, 0.5, 2, VOCAB)
    assert first.num_steps(1) == loader.num_steps(1)
    assert torch.equal(first.batch(1, 2).inputs, again.batch(1, 2).inputs)
    assert not torch.equal(first.batch(1, 2).inputs, other.batch(1, 2).inputs)
    assert first.batch(1, 2).carry == loader.batch(1, 2).carry


def test_a_text_without_pairs_is_not_changed() -> None:
    tokens = text([[], [], []])
    loader = StreamLoader(tokens, 1, 2, seed=1)
    noised = NoisedLoader(loader, tokens, 1.0, 1, VOCAB)
    assert torch.equal(noised.batch(0, 0).targets, loader.batch(0, 0).targets)


@pytest.mark.parametrize("mode", ["stream", "lines"])
def test_the_first_epochs_are_clean_and_nothing_is_counted_for_them(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []
    count = distinct_neighbours
    monkeypatch.setattr(noise, "distinct_neighbours", lambda *of: (counted.append(of), count(*of))[1])
    corpus: Any = SimpleNamespace(train=TOKENS, codec=SimpleNamespace(tokenizer=SimpleNamespace(vocab_size=VOCAB)))
    clean, noised = (
        tasks["language-model"].train_loader(
            corpus, make_settings("language-model", "lstm", {"data.mode": mode, "data.noise": amount}), 1
        )
        for amount in (0.0, 1.0)
    )
    for epoch in range(6):
        assert noised.num_steps(epoch) == clean.num_steps(epoch)
        is_clean = torch.equal(noised.batch(epoch, 1).targets, clean.batch(epoch, 1).targets)
        assert (is_clean, bool(counted)) == ((True, False) if epoch < 4 else (False, True))


def test_networks_over_words_have_noise_by_default() -> None:
    preset = tasks["language-model"].preset
    assert preset("lstm", {})["data.noise"] == preset("transformer", {"tokenizer.kind": "bpe"})["data.noise"] > 0
    assert not preset("lstm", {"tokenizer.kind": "character"}).get("data.noise")
    assert not preset("ngram", {}).get("data.noise")


@pytest.mark.parametrize("mode", ["stream", "lines"])
def test_stopped_and_resumed_is_unbroken(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_model, "CLEAN_EPOCHS", 0)
    options: dict[str, Any] = {"updates": 12, "data__noise": 0.5, "data__mode": mode}
    train_small(tmp_path / "unbroken", **options)
    with monkeypatch.context() as patch:
        signal_after(patch, 5)
        train_small(tmp_path / "run", **options)
    train_small(tmp_path / "run", resume=True, **options)
    assert_same_run(tmp_path / "unbroken", tmp_path / "run")


def test_only_networks_are_noised(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a b c\n" * 50)
    with pytest.raises(seqloom.errors.RequestError, match=r"data\.noise"):
        seqloom.train("language-model", str(tmp_path / "text.txt"), model="ngram", settings={"data.noise": 0.2})
