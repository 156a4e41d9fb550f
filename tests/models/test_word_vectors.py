"""Word vectors: windows against the arithmetic written out, draws, trees, n-grams, threads, every way to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqloom.compiling import compiled
from seqloom.config import build
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import SPECIALS
from seqloom.models.word_vectors.kinds import KINDS as ALL_KINDS
from seqloom.models.word_vectors.model import WordVectors
from seqloom.models.word_vectors.sampling import draw_negative, make_sampler, next_state, random_bits, seed_state
from seqloom.models.word_vectors.subwords import SubwordSettings, fnv_1a, ngram_buckets
from seqloom.models.word_vectors.tree import huffman_tree
from seqloom.models.word_vectors.window import learn_window, new_tally, settled
from seqloom.processors import set_num_threads

FIRST = len(SPECIALS)
WORDS = 60
KINDS = {name: kind for name, kind in ALL_KINDS.items() if not kind.has_documents}


@compiled
def one_window(
    inputs: Any, in_at: Any, outputs: Any, out_at: Any, signs: Any, count: int, width: int, rate: Any
) -> Any:
    tally, scores = new_tally(), np.zeros(8 * in_at.shape[0], np.float32)
    learn_window(inputs, in_at, in_at.shape[0], outputs, out_at, signs, count, width, rate, scores, tally)
    return settled(tally)


@pytest.mark.parametrize(("contexts", "count"), [(1, 6), (2, 6), (3, 4), (4, 12), (5, 9)])
def test_a_window_is_a_step_along_the_gradient(contexts: int, count: int) -> None:
    rng = np.random.default_rng(contexts)
    width, rate = 24, np.float32(0.1)
    inputs = rng.normal(size=(8, width)).astype(np.float32)
    outputs = rng.normal(size=(20, width)).astype(np.float32)
    outputs[0] = 0
    rows, labels = rng.permutation(np.arange(1, 20))[:count], rng.choice([-1.0, 1.0], count)
    chosen = rng.permutation(8)[:contexts]
    blocks = -(-count // 6)
    out_at, signs = np.zeros(6 * blocks, np.int64), np.zeros(8 * blocks, np.float32)
    out_at[:count] = rows * width
    signs[[o // 6 * 8 + o % 6 for o in range(count)]] = labels
    x, y = (torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in (inputs, outputs))
    new, moved, total = inputs.copy().ravel(), outputs.copy().ravel(), 0.0
    loss = one_window(new, chosen * width, moved, out_at, signs, count, width, rate)
    for block in range(blocks):  # each six outputs, with the inputs as the six before left them
        part = slice(6 * block, 6 * block + 6)
        scores = x[chosen] @ y[rows[part]].T * torch.tensor(labels[part])
        lost = -torch.nn.functional.logsigmoid(scores).sum()
        total += float(lost.detach())
        with torch.no_grad():
            for rows_of, gradient in zip((x, y), torch.autograd.grad(lost, (x, y)), strict=True):
                rows_of -= float(rate) * gradient
    assert loss == pytest.approx(total, rel=1e-5)
    np.testing.assert_allclose(new.reshape(8, width), x.detach(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moved.reshape(20, width), y.detach(), rtol=1e-4, atol=1e-5)
    assert not moved[:width].any()


def test_the_loss_of_what_is_very_wrong_and_very_right() -> None:
    inputs, outputs = np.zeros(16, np.float32), np.zeros(24, np.float32)
    inputs[:8], inputs[8:], outputs[8:16] = 20, -20, 1
    out_at, signs = np.array([8, 0, 0, 0, 0, 0]), np.array([1, 0, 0, 0, 0, 0, 0, 0], np.float32)
    for place, wanted in ((0, 0.0), (8, 160.0)):
        found = one_window(inputs, np.array([place]), outputs, out_at, signs, 1, 8, np.float32(0))
        assert found == pytest.approx(wanted, abs=1e-6)


@compiled
def draw_many(alias_prob: Any, alias: Any, times: int, size: int) -> Any:
    counts, state = np.zeros(size, np.int64), seed_state(1, 7)
    for _ in range(times):
        state = next_state(state)
        counts[draw_negative(random_bits(state), alias_prob, alias)] += 1
    return counts


def test_negative_samples_are_drawn_by_counts_to_a_power() -> None:
    counts = np.array([0, 9, 0, 99, *(3_000 // np.arange(1, 41))])
    _, alias_prob, alias = make_sampler(counts, 0.0, 0.75)
    times = 400_000
    drawn = draw_many(alias_prob, alias, times, len(counts))
    wanted = np.where(np.arange(len(counts)) < FIRST, 0, counts**0.75)
    wanted *= times / wanted.sum()
    assert not drawn[:FIRST].any()
    assert (((drawn - wanted)[FIRST:] ** 2) / wanted[FIRST:]).sum() < 80  # chi squared of 39 degrees of freedom


def test_frequent_words_are_subsampled() -> None:
    counts = np.array([0, 0, 0, 5, 900_000, 99_000, 1_000])
    keep_prob = make_sampler(counts, 1e-2, 0.75).keep_prob / 2**32
    shares = counts[FIRST:] / counts[FIRST:].sum()
    np.testing.assert_allclose(keep_prob[FIRST:], np.minimum(np.sqrt(0.01 / shares) + 0.01 / shares, 1), rtol=1e-6)
    assert (make_sampler(counts, 0.0, 0.75).keep_prob == 2**32).all()


def test_a_huffman_tree_is_a_distribution() -> None:
    counts = np.array([0, 3, 0, 7, 50, 20, 20, 5, 5, 4, 1])
    begins, nodes, branches = huffman_tree(counts)
    rng = np.random.default_rng(1)
    scores = rng.normal(size=len(counts))
    found, bits = {}, 0
    for word in range(FIRST, len(counts)):
        way = slice(begins[word], begins[word + 1])
        found[word] = np.prod(1 / (1 + np.exp(-branches[way] * scores[nodes[way]])))
        bits += counts[word] * (begins[word + 1] - begins[word])
    assert sum(found.values()) == pytest.approx(1)
    assert bits == 5 + 10 + 15 + 35 + 55 + 105, "what is put together on the way to the shortest code"
    assert nodes.min() == 1
    assert begins[FIRST] == 0


def test_character_ngrams() -> None:
    assert fnv_1a("") == 2166136261
    assert fnv_1a("a") == 0xE40C292C
    settings = SubwordSettings(longest=3, shortest=2, buckets=10**8)
    wanted = ["<a", "<ab", "ab", "ab>", "b>"]
    assert sorted(ngram_buckets("ab", settings)) == sorted(fnv_1a(gram) % 10**8 for gram in wanted)


def small_text(lines: int = 150) -> TokenFile:
    """Words of one parity stand together."""
    rng = np.random.default_rng(5)
    ids: list[int] = []
    offsets = [0]
    for _ in range(lines):
        words = FIRST + 2 * rng.zipf(1.5, 12).clip(max=WORDS // 2 - 1) + rng.integers(2)
        ids += [*words.tolist(), 3]
        offsets.append(len(ids))
    return TokenFile(np.array(ids, np.uint16), np.array(offsets), 0, 0)


def made(kind: str, text: TokenFile, **own: Any) -> WordVectors:
    values = {"dim": 12, "sample": 0, "learning_rate": 0.1, **{n.replace("__", "."): v for n, v in own.items()}}
    model = KINDS[kind](build(KINDS[kind].settings, values))
    tokens = [*SPECIALS, *(f"{'even' if word % 2 == 0 else 'odd'}{word}" for word in range(WORDS + 2))]
    model.initialise(text, tokens, seed=1)
    return model


def trained(model: WordVectors, epochs: int = 1, first: int = 0) -> list[float]:
    losses = []
    for epoch in range(first, epochs):
        found = [model.step(epoch, step, epoch / epochs) for step in range(model.num_steps())]
        losses.append(sum(nats for nats, _ in found) / sum(pairs for _, pairs in found))
    return losses


WAYS = {
    "plain": {},
    "tree": {"objective": "hierarchical-softmax"},
    "subwords": {"subwords__longest": 4, "subwords__buckets": 500},
    "rounds": {"deterministic": True},
    "rounds, tree, subwords": {
        "deterministic": True,
        "objective": "hierarchical-softmax",
        "subwords__longest": 4,
        "subwords__buckets": 500,
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_learns_what_stands_together(kind: str, way: str) -> None:
    text = small_text()
    model = made(kind, text, **WAYS[way], window=3)
    before, pairs = model.measure(text)
    losses = trained(model, epochs=12)
    after, again = model.measure(text)
    assert losses[-1] < losses[0]
    assert after < 0.95 * before
    assert pairs == again, "the same windows each time"
    rows = model.vectors()[FIRST + 2 : FIRST + 14].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = rows @ rows.T
    same = (np.arange(12)[:, None] - np.arange(12)) % 2 == 0
    assert alike[same & ~np.eye(12, dtype=bool)].mean() > alike[~same].mean() + 0.1


@pytest.mark.parametrize("way", ["rounds", "rounds, tree, subwords"])
@pytest.mark.parametrize("kind", KINDS)
def test_deterministic_vectors_are_the_same_for_any_number_of_threads(kind: str, way: str) -> None:
    text, found = small_text(), []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            model = made(kind, text, **WAYS[way])
            losses = trained(model, epochs=2)
            found.append((losses, {name: array.copy() for name, array in model.state().items()}))
    finally:
        set_num_threads(1)
    for losses, state in found[1:]:
        assert losses == found[0][0]
        assert all(np.array_equal(state[name], found[0][1][name]) for name in state)


def test_what_is_saved_is_what_was_fitted(tmp_path: Path) -> None:
    text = small_text()
    for kind, way in (("skipgram", "plain"), ("cbow", "subwords"), ("skipgram", "tree")):
        model = made(kind, text, **WAYS[way])
        trained(model)
        model.save(tmp_path)
        opened = KINDS[kind](model.config)
        opened.open(tmp_path)
        np.testing.assert_array_equal(opened.vectors(), model.vectors())
        assert opened.num_parameters() > 2 * 12 * WORDS
        nats, pairs = opened.measure(text)
        assert (nats, pairs) == pytest.approx(model.measure(text), rel=1e-5)
