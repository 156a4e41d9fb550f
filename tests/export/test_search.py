"""The runtime's beam search chooses what Seqloom's does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqloom.decoding.candidates import most_probable
from seqloom.decoding.candidates import restrict as restrict_tensor
from seqloom_portable.search import Search, most_probable_extensions, restrict


@pytest.mark.parametrize("vocab", [5, 64, 300, 1_000])
@pytest.mark.parametrize("width", [1, 4])
def test_the_most_probable_extensions_are_those_of_all(vocab: int, width: int) -> None:
    rng = np.random.default_rng(vocab + width)
    log_probs = rng.standard_normal((6, 3, vocab)).astype(np.float32)
    totals = rng.standard_normal((6, 3)).astype(np.float32)
    totals[2, 1] = -np.inf
    best, places = most_probable_extensions(log_probs, totals, width)
    every = (log_probs + totals[:, :, None]).reshape(6, -1)
    np.testing.assert_array_equal(places, np.argsort(-every, axis=1)[:, :width])
    np.testing.assert_array_equal(best, np.take_along_axis(every, places, 1))
    torch_best = most_probable(torch.from_numpy(log_probs), torch.from_numpy(totals), width)
    np.testing.assert_array_equal(torch_best.rows * vocab + torch_best.tokens, places)


def test_restrictions_are_seqlooms() -> None:
    log_probs = np.random.default_rng(1).standard_normal((3, 2, 9)).astype(np.float32)
    expected = restrict_tensor(torch.from_numpy(log_probs.copy()), torch.tensor([0, 2]), torch.tensor([-1, 5, 2]))
    got = restrict(log_probs, Search(beam_size=2, never=(0, 2)), [(), (4, 5), (4, 2)], 2)
    np.testing.assert_array_equal(got, expected.numpy())
