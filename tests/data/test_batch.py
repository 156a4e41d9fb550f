"""A batch: which targets count, and how ranks share it."""

from __future__ import annotations

import pytest
import torch

from seqloom.data.batches import Batch
from seqloom.data.line_batches import line_batch

ROWS = [[5, 6, 3], [7, 3], [3], [8, 9, 4, 3]]


@pytest.fixture
def batch() -> Batch:
    return line_batch(ROWS)


def test_a_line_is_predicted_from_sos_to_eos(batch: Batch) -> None:
    assert batch.inputs.tolist() == [[2, 5, 6, 0], [2, 7, 0, 0], [2, 0, 0, 0], [2, 8, 9, 4]]
    assert batch.targets.tolist() == [[5, 6, 3, 0], [7, 3, 0, 0], [3, 0, 0, 0], [8, 9, 4, 3]]
    assert batch.lengths.tolist() == [3, 2, 1, 4]
    assert not batch.continues


def test_rows_of_one_length_need_no_lengths() -> None:
    assert line_batch([[5, 3], [6, 3]]).lengths is None
    assert line_batch([[5, 3], [6, 3]]).mask() is None


def test_the_mask_is_true_where_a_target_counts(batch: Batch) -> None:
    real = [[True] * 3 + [False], [True] * 2 + [False] * 2, [True] + [False] * 3, [True] * 4]
    scored = torch.tensor([[False, True, True, True]]).expand(4, -1)
    assert batch.mask().tolist() == real
    assert batch._replace(scored=scored).mask().tolist() == [[False, *row[1:]] for row in real]
    assert torch.equal(batch._replace(lengths=None, scored=scored).mask(), scored)


def test_selected_rows_keep_what_belongs_to_them(batch: Batch) -> None:
    chosen = batch._replace(continues=True).select(torch.tensor([3, 0]))
    assert chosen.targets[batch.select(torch.tensor([3, 0])).mask()].tolist() == [8, 9, 4, 3, 5, 6, 3]
    assert chosen.lengths.tolist() == [4, 3]
    assert chosen.scored is None
    assert chosen.continues


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 7])
def test_the_shards_of_all_ranks_are_the_batch(batch: Batch, world_size: int) -> None:
    shards = [batch.shard(rank, world_size) for rank in range(world_size)]
    targets = [shard.targets[shard.mask()] for shard in shards]
    assert torch.cat(targets).tolist() == batch.targets[batch.mask()].tolist()
    assert all(shard.num_rows for shard in shards)
    assert max(shard.num_rows for shard in shards) - min(shard.num_rows for shard in shards) <= 1


@pytest.mark.parametrize("lengths", [True, False])
def test_a_rank_without_rows_counts_nothing(lengths: bool) -> None:
    batch = line_batch([[5, 6, 3], [7, 3]] if lengths else [[5, 6, 3], [7, 8, 3]])
    idle = batch.shard(2, 3)
    assert idle.num_rows == 1
    assert int(idle.mask().sum()) == 0


def test_on_the_processor_a_batch_stays_where_it_is(batch: Batch) -> None:
    assert batch.to(torch.device("cpu")) is batch


def test_moving_moves_every_tensor(batch: Batch) -> None:
    moved = batch._replace(continues=True).to(torch.device("meta"))
    assert {part.device.type for part in (moved.inputs, moved.targets, moved.lengths)} == {"meta"}
    assert moved.scored is None
    assert moved.continues
