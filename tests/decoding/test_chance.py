"""Random numbers as uniform as they should be, that hang on their keys alone."""

from __future__ import annotations

import numpy as np

from seqloom_portable.keyed_rng import draw, uniform


def test_uniform_numbers() -> None:
    numbers = uniform(np.arange(1_000), 1_000)
    assert 0 < float(numbers.min()) < 1e-4
    assert 1 - 1e-4 < float(numbers.max()) < 1
    # A million numbers in a hundred drawers: 10,000 each, give or take 100.
    counts, _ = np.histogram(numbers, 100, (0, 1))
    assert np.abs(counts - 10_000).max() < 450
    assert 60 < float(((counts - 10_000) ** 2 / 10_000).sum()) < 145
    neighbours = np.corrcoef(numbers[:, :-1].flatten(), numbers[:, 1:].flatten())[0, 1]
    assert abs(neighbours) < 4e-3
    assert abs(np.corrcoef(numbers[:-1].flatten(), numbers[1:].flatten())[0, 1]) < 4e-3


def test_the_stream_is_splitmix64s() -> None:
    """The first two numbers that the authors' Java and everybody's C give from state 0."""
    known = [0xE220A8397B1DCDAF >> 41, 0x6E789E6AA1B965F4 >> 41]
    assert (uniform(np.array(0), 2) * 2**23 - 0.5).astype(np.int64).tolist() == known


def test_keys_do_not_know_each_other() -> None:
    keys = np.array([[3, 5], [-8, 2**62]])
    np.testing.assert_array_equal(uniform(keys, 7)[1, 1], uniform(keys[1, 1], 7))


def test_draws_have_their_probabilities() -> None:
    probs = np.array([0.5, 0.0, 0.3, 0.15, 0.05])
    tokens = draw(np.broadcast_to(probs, (100_000, 5)), np.random.default_rng(1).integers(2**63, size=100_000))
    shares = np.bincount(tokens, minlength=5) / 100_000
    np.testing.assert_allclose(shares, probs, atol=0.006)
    assert shares[1] == 0
