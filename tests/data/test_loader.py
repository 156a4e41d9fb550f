"""Loaders: every token once, in order, and a batch is a function of (seed, epoch, step) alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqloom.data.batches import Batch, ExactStreamLoader, Loader, StreamLoader
from seqloom.data.line_batches import Buckets, LineLoader
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SOS

TokensOf = Callable[[list[int]], TokenFile]
small = st.integers(1, 12)


def text(length: int) -> TokenFile:
    ids = np.arange(10, 10 + length, dtype=np.uint32)
    return TokenFile(ids, np.array([0, length]), num_bytes=length, num_unknown=0)


def joined(loader: StreamLoader, epoch: int) -> tuple[Tensor, Tensor]:
    batches = [loader.batch(epoch, step) for step in range(loader.num_steps(epoch))]
    assert [batch.continues for batch in batches] == [False] + [True] * (len(batches) - 1)
    assert all(0 < batch.inputs.shape[1] <= loader.horizon for batch in batches)
    return torch.cat([b.inputs for b in batches], dim=1), torch.cat([b.targets for b in batches], dim=1)


@given(length=st.integers(1, 150), batch_size=small, horizon=small, epoch=st.integers(0, 3))
def test_streams_cover_the_text_once_in_order(length: int, batch_size: int, horizon: int, epoch: int) -> None:
    tokens = text(length)
    inputs, targets = joined(StreamLoader(tokens, batch_size, horizon, seed=1), epoch)
    covered = targets.flatten().tolist()
    assert covered == tokens.ids[: len(covered)].tolist()
    assert length - len(covered) < targets.shape[0] <= batch_size
    assert inputs.flatten().tolist() == [EOS, *covered[:-1]]


def test_epochs_cut_elsewhere() -> None:
    loader = StreamLoader(text(400), 4, 10, seed=1)
    assert len({loader.batch(epoch, 0).inputs.shape[1] for epoch in range(20)}) > 3


@given(length=st.integers(1, 300), batch_size=small, horizon=small, context=st.integers(0, 20))
def test_exact_streams_score_each_token_once(length: int, batch_size: int, horizon: int, context: int) -> None:
    """With at least `context` tokens, or the text's beginning, before what is scored first."""
    tokens = text(length)
    loader = ExactStreamLoader(tokens, batch_size, horizon, context)
    seen: dict[int, list[int]] = {}
    scored: list[int] = []
    for step in range(loader.num_steps()):
        batch = loader.batch(0, step)
        assert batch.num_rows <= batch_size
        assert 0 < batch.inputs.shape[1] <= horizon
        assert batch.continues == (step > 0)
        lengths = batch.lengths if batch.lengths is not None else torch.full((batch.num_rows,), batch.inputs.shape[1])
        mask = batch.mask() if batch.mask() is not None else torch.ones_like(batch.inputs, dtype=torch.bool)
        for row in range(batch.num_rows):
            for column in range(int(lengths[row])):
                given_before = seen.setdefault(row, [])
                given_before.append(int(batch.inputs[row, column]))
                if mask[row, column]:
                    target = int(batch.targets[row, column])
                    position = target - 10
                    assert given_before == [EOS, *tokens.ids.tolist()][position + 1 - len(given_before) : position + 1]
                    assert len(given_before) > min(context, position)
                    scored.append(target)
        assert not (mask & (torch.arange(mask.shape[1]) >= lengths[:, None])).any()
    assert sorted(scored) == tokens.ids.tolist()


def test_exact_streams_have_no_steps_without_text() -> None:
    assert ExactStreamLoader(text(0), 4, 8).num_steps() == 0


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=60), budget=st.integers(1, 100), seed=st.integers(0, 9)
)
def test_lines_are_each_read_once_within_the_budget(
    tokens_of: TokensOf, lengths: list[int], budget: int, seed: int
) -> None:
    tokens = tokens_of(lengths)
    for loader in (LineLoader(tokens, budget, seed), LineLoader(tokens, budget, None)):
        found = []
        for step in range(loader.num_steps(1)):
            batch = loader.batch(1, step)
            assert batch.inputs.numel() <= budget or batch.num_rows == 1
            assert not batch.continues
            assert (batch.inputs[:, 0] == SOS).all()
            sizes = batch.lengths.tolist() if batch.lengths is not None else [batch.inputs.shape[1]] * batch.num_rows
            for row, size in enumerate(sizes):
                assert batch.inputs[row, 1:size].tolist() == batch.targets[row, : size - 1].tolist()
                found.append(tuple(batch.targets[row, :size].tolist()))
        rows = [tuple(row.tolist()) for row in np.split(tokens.ids, tokens.offsets[1:-1])]
        assert sorted(found) == sorted(rows)


def test_lines_of_like_length_stand_together(tokens_of: TokensOf) -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 2_000).tolist()
    loader = LineLoader(tokens_of(lengths), 1_000, seed=1)
    batches = [loader.batch(0, step) for step in range(loader.num_steps(0))]
    assert sum(lengths) / sum(batch.inputs.numel() for batch in batches) > 0.9


def test_a_batch_of_a_small_group_has_rows_of_many_lengths() -> None:
    """Sorted by their longer side within groups of few batches, pairs are padded little, and their targets differ."""
    rng = np.random.default_rng(0)
    target = rng.integers(5, 40, 6_000)
    source = np.maximum(1, target + rng.integers(-6, 7, 6_000))

    def lengths_and_padding(sort_within: int) -> tuple[float, float]:
        batches = Buckets((target, source), 2_000, 1, sort_within=sort_within).epoch(0)
        assert sorted(np.concatenate(batches).tolist()) == list(range(6_000))
        real = sum(int(np.maximum(target, source)[rows].sum()) for rows in batches)
        padded = sum(len(rows) * int(np.maximum(target, source)[rows].max()) for rows in batches)
        return float(np.mean([target[rows].std() for rows in batches])), padded / real

    spread, padding = lengths_and_padding(8)
    spread_of_all, padding_of_all = lengths_and_padding(100)
    assert spread > 1.1 * spread_of_all
    assert padding_of_all < padding < 1.15


LOADERS: dict[str, Callable[[TokenFile, int], Loader]] = {
    "stream": lambda tokens, seed: StreamLoader(tokens, 3, 7, seed),
    "lines": lambda tokens, seed: LineLoader(tokens, 25, seed),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_a_batch_is_a_function_of_seed_epoch_and_step(tokens_of: TokensOf, kind: str) -> None:
    tokens = tokens_of([3, 8, 5, 1, 9, 4, 4, 7, 2, 6] * 4)
    loader = LOADERS[kind](tokens, 5)
    asked = [(epoch, step) for epoch in range(3) for step in range(loader.num_steps(epoch))]
    in_order = {key: loader.batch(*key).targets.tolist() for key in asked}
    fresh = LOADERS[kind](tokens, 5)
    for key in reversed(asked):
        assert fresh.batch(*key).targets.tolist() == in_order[key]
    epochs = [[in_order[key] for key in asked if key[0] == epoch] for epoch in range(3)]
    assert epochs[0] != epochs[1]
    other = LOADERS[kind](tokens, 6)
    assert [other.batch(0, step).targets.tolist() for step in range(other.num_steps(0))] != epochs[0]


@given(length=st.integers(1, 150), batch_size=small, horizon=small, advance=small, epoch=st.integers(0, 3))
def test_a_longer_horizon_repeats_steps_and_scores_each_once(
    length: int, batch_size: int, horizon: int, advance: int, epoch: int
) -> None:
    advance = min(advance, horizon)
    loader = StreamLoader(text(length), batch_size, horizon, seed=1, advance=advance)
    whole = torch.cat(
        [b.targets for b in _batches(StreamLoader(text(length), batch_size, length, seed=1), epoch)], dim=1
    )
    begin, scored = 0, []
    for batch in _batches(loader, epoch):
        width = batch.inputs.shape[1]
        assert width <= horizon
        assert torch.equal(batch.targets, whole[:, begin : begin + width])
        mask = batch.mask()
        new = batch.targets if mask is None else batch.targets[:, mask[0]]
        assert new.shape[1] <= advance
        scored.append(new)
        begin += width if batch.carry is None else batch.carry
    assert torch.equal(torch.cat(scored, dim=1), whole)


def _batches(loader: StreamLoader, epoch: int) -> list[Batch]:
    return [loader.batch(epoch, step) for step in range(loader.num_steps(epoch))]
