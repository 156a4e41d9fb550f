"""Examples of algorithms: what is asked for is what the algorithm gives, what is said of them is understood, and
batches are new each time and the same again."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, SyntheticExample
from seqloom.data.corpus import Sources
from seqloom.data.synthetic import (
    AlgorithmCodec,
    SyntheticLoader,
    SyntheticRecipe,
    SyntheticTrainLoader,
    synthetic_batch,
)
from seqloom.errors import RequestError

SIZES = {
    "copy": (9, 8),
    "repeat-copy": (10, 9),
    "associative-recall": (8, 6),
    "dynamic-n-grams": (1, 1),
    "priority-sort": (10, 8),
}


def algorithm(text: str) -> Algorithm:
    return AlgorithmCodec.parse(text).algorithm()


def draw(text: str, seed: int = 3) -> SyntheticExample:
    return algorithm(text).draw(np.random.default_rng(seed))


def answers(example: SyntheticExample) -> np.ndarray:
    return example.targets[example.scored]


@pytest.mark.parametrize("name", list(algorithms))
def test_every_algorithm_keeps_its_promises(name: str) -> None:
    source, rng = algorithm(name), np.random.default_rng(1)
    if name in SIZES:  # of the paper
        assert (source.input_size, source.target_size) == SIZES[name]
    for _ in range(20):
        example = source.draw(rng)
        time = len(example.inputs)
        assert example.inputs.shape == (time, source.input_size)
        assert example.targets.shape == (time, source.target_size)
        assert example.scored.shape == (time,)
        assert example.scored.any()
        assert set(np.unique(example.targets)) <= {0.0, 1.0}
        assert example.inputs.dtype == example.targets.dtype == np.float32


def test_copy_asks_for_what_went_in() -> None:
    example = draw("copy:length=5")
    np.testing.assert_array_equal(answers(example), example.inputs[:5, :8])
    assert example.inputs[:, 8].tolist() == [0] * 5 + [1] + [0] * 5
    assert not example.inputs[6:].any()


def test_repeat_copy_asks_for_it_as_often_as_said_and_for_an_end() -> None:
    example = draw("repeat-copy:length=2,repeats=3")
    np.testing.assert_array_equal(answers(example)[:-1, :8], np.tile(example.inputs[:2, :8], (3, 1)))
    assert answers(example)[:, 8].tolist() == [0] * 6 + [1]
    assert example.inputs[2, 8] == 1


def test_the_number_of_repeats_has_mean_0_and_variance_1() -> None:
    indicators = np.array([draw(f"repeat-copy:length=1,repeats={n}").inputs[1, 9] for n in range(1, 11)])
    assert abs(indicators.mean()) < 1e-6
    assert abs(indicators.var() - 1) < 1e-6
    assert draw("repeat-copy:repeats=20").inputs[:, 9].max() > indicators.max()


def test_recall_asks_for_the_item_after_the_one_shown() -> None:
    for seed in range(10):
        example = draw("associative-recall:items=4", seed)
        assert len(example.inputs) == 5 * 4 + 1 + 3
        assert np.flatnonzero(example.inputs[:, 6]).tolist() == [0, 4, 8, 12]
        assert np.flatnonzero(example.inputs[:, 7]).tolist() == [16, 20]
        items = [example.inputs[start : start + 3, :6] for start in (1, 5, 9, 13)]
        question = example.inputs[17:20, :6]
        pairs = itertools.pairwise(items)
        assert any((question == item).all() and (answers(example) == after).all() for item, after in pairs)


def test_sorting_asks_for_the_highest_priorities_first() -> None:
    example = draw("priority-sort")
    priorities = example.inputs[:20, 8]
    assert ((priorities >= -1) & (priorities <= 1)).all()
    best = sorted(range(20), key=lambda i: -priorities[i])[:16]
    np.testing.assert_array_equal(answers(example), example.inputs[best, :8])


def test_bits_of_n_grams_follow_their_context() -> None:
    """With one bit of context, of a long sequence: how often a 1 follows each is what the source says."""
    source = algorithm("dynamic-n-grams:order=2,length=4000")
    rng = np.random.default_rng(2)
    example = source.draw(rng)
    assert len(example.inputs) == 3999
    assert example.scored.all()
    probabilities = np.random.default_rng(2)
    probabilities.integers(4000, 4001)
    expected = probabilities.beta(0.5, 0.5, 2)
    bits, following = example.inputs[:, 0], example.targets[:, 0]
    for context in (0, 1):
        assert abs(following[bits == context].mean() - expected[context]) < 0.05


def test_the_optimal_predictor_is_bayes() -> None:
    """Over all continuations of a context, its probabilities sum to one; and those of a first bit are even."""
    source = algorithm("dynamic-n-grams:order=2,length=4")
    total = 0.0
    for bits in itertools.product((0, 1), repeat=3):
        row = np.array([0, *bits], np.float32)
        example = SyntheticExample(row[:-1, None], row[1:, None], np.ones(3, np.bool_))
        nats = source.optimal_nats(example)
        assert nats is not None
        total += math.exp(-nats)
    assert abs(total - 1) < 1e-12
    steady = SyntheticExample(np.zeros((2, 1), np.float32), np.zeros((2, 1), np.float32), np.ones(2, np.bool_))
    nats = source.optimal_nats(steady)
    assert nats is not None
    assert abs(nats + math.log(1 / 2) + math.log(3 / 4)) < 1e-12  # (N1 + 1/2) / (N0 + N1 + 1), at 0 of 0 and 0 of 1


def test_the_optimal_predictor_loses_less_than_a_coin() -> None:
    source, rng = algorithm("dynamic-n-grams"), np.random.default_rng(0)
    nats = [source.optimal_nats(source.draw(rng)) for _ in range(30)]
    bits = float(np.mean(nats)) / math.log(2)  # type: ignore[arg-type]
    assert 110 < bits < 150 < 195


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("copi", "did you mean 'copy'"),
        ("copy:length=0", "a number from 1 to 10,000"),
        ("copy:length=20-10", "a number from 1 to 10,000"),
        ("copy:lenth=3", "did you mean 'length'"),
        ("copy:length", "name=value"),
        ("associative-recall:items=1-3", "at least two items"),
        ("priority-sort:outputs=21", "no more outputs than inputs"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, says: str) -> None:
    with pytest.raises(RequestError) as error:
        AlgorithmCodec.parse(text)
    assert says in str(error.value)


def test_a_codec_is_kept_and_says_what_is_left_unsaid(tmp_path: Path) -> None:
    codec = AlgorithmCodec.parse("copy:bits=3,length=2-5")
    codec.save(tmp_path)
    again = AlgorithmCodec.load(tmp_path)
    assert again == codec
    assert again.fingerprint() == codec.fingerprint()
    longer = AlgorithmCodec.parse("copy:length=40", again)
    assert str(longer.settings.length) == "40"  # type: ignore[attr-defined]
    assert longer.settings.bits == 3  # type: ignore[attr-defined]
    (tmp_path / "algorithm.json").write_text("{}")
    with pytest.raises(RequestError, match="could not be read"):
        AlgorithmCodec.load(tmp_path)


def test_exercises_that_do_not_fit_are_refused() -> None:
    made = SyntheticRecipe(held_out=5)
    codec = AlgorithmCodec.parse("copy")
    for name in ("copy:bits=7", "priority-sort:bits=7"):
        with pytest.raises(RequestError, match="do not fit"):
            made.encode(name, codec)


def test_batches_are_new_each_time_and_the_same_again() -> None:
    source = algorithm("copy")
    loader = SyntheticTrainLoader(source, batch_size=3, seed=1)
    first, other = loader.batch(0, 0), loader.batch(0, 1)
    assert torch.equal(loader.batch(0, 0).inputs, first.inputs)
    assert first.inputs.shape != other.inputs.shape or not torch.equal(first.inputs, other.inputs)
    elsewhere = SyntheticTrainLoader(source, batch_size=3, seed=2).batch(0, 0)
    assert first.inputs.shape != elsewhere.inputs.shape or not torch.equal(first.inputs, elsewhere.inputs)


def test_held_out_examples_are_always_the_same_and_all_are_seen() -> None:
    corpus = SyntheticRecipe(held_out=7).prepare(Sources("copy", test="copy:length=30"))
    again = SyntheticRecipe(held_out=7).prepare(Sources("copy"))
    assert corpus.test is not None
    assert len(corpus.valid) == corpus.valid.num_lines == 7
    assert all(len(example.inputs) == 61 for example in corpus.test.examples)
    for example, other in zip(corpus.valid.examples, again.valid.examples, strict=True):
        assert np.array_equal(example.inputs, other.inputs)
    loader = SyntheticLoader(corpus.valid, batch_size=3)
    batches = [loader.batch(0, step) for step in range(loader.num_steps())]
    assert sum(batch.num_rows for batch in batches) == 7
    lengths = [n for batch in batches for n in (batch.lengths.tolist() if batch.lengths is not None else [])]
    assert lengths == sorted(lengths)


def test_rows_of_unequal_length_are_padded_with_zeros_that_do_not_count() -> None:
    batch = synthetic_batch([draw("copy:length=1"), draw("copy:length=3")])
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [3, 7]
    assert not batch.inputs[0, 3:].any()
    mask = batch.mask()
    assert mask is not None
    assert mask.sum(1).tolist() == [1, 3]
    idle = batch.shard(2, 3)
    assert idle.scored is not None
    assert not idle.scored.any()
