"""Tables that grow in another way than by new rows after the earlier ones, such as those of a pretrained channel."""

from __future__ import annotations

import pytest
import torch

from seqloom.data.tokenizer import SPECIALS, UNK
from seqloom.errors import RequestError
from seqloom.models.growth import grown_tensors
from seqloom.models.word_vectors.two_channel_embedding import PretrainedTokens, TwoChannelEmbedding
from seqloom.nn.embedding import EmbeddingSettings, TokenEmbedding
from seqloom.storage.tensors import model_tensors

SETTINGS = EmbeddingSettings(dim=3)
NUM_SPECIALS = len(SPECIALS)


def two_channels(trained: list[bool]) -> TwoChannelEmbedding:
    """An embedding of the special tokens and of one word for each entry, which says whether it has a trained row."""
    rows = torch.arange(NUM_SPECIALS + len(trained))
    words = rows[NUM_SPECIALS:]
    words[:] = UNK
    words[torch.tensor(trained)] = torch.arange(NUM_SPECIALS, NUM_SPECIALS + sum(trained))
    return TwoChannelEmbedding(PretrainedTokens(rows, torch.randn(len(rows), 2)), SETTINGS)


def test_a_pretrained_channel_grows_with_the_rows_of_its_trained_one() -> None:
    earlier = two_channels([True, False, True])
    # In the new data, the first old word is rare and the second frequent; the middle one of the new ones is rare.
    fresh = two_channels([False, True, True, True, False, True])
    grown = grown_tensors(
        {f"read.{n}": t for n, t in model_tensors(earlier).items()}, torch.nn.ModuleDict({"read": fresh})
    )
    table, rows = grown["read.learnt.table.weight"], grown["read.rows"]
    size = NUM_SPECIALS + 3
    assert torch.equal(table[rows[:size]], earlier.learnt.table.weight[earlier.rows])
    assert torch.equal(table[rows[[size, size + 2]]], fresh.learnt.table.weight[fresh.rows[[size, size + 2]]])
    assert rows[size + 1] == UNK
    assert int(rows.max()) + 1 == len(table)
    assert torch.equal(grown["read.known"][:size], earlier.known)
    assert torch.equal(grown["read.known"][size:], fresh.known[size:])


def test_a_pretrained_channel_does_not_begin_from_none() -> None:
    plain = TokenEmbedding(NUM_SPECIALS + 2, SETTINGS)
    with pytest.raises(RequestError, match="no such weights"):
        grown_tensors(model_tensors(plain), two_channels([True, True]))


def test_a_smaller_vocabulary_is_refused() -> None:
    earlier, fresh = (TokenEmbedding(size, SETTINGS) for size in (9, 8))
    with pytest.raises(RequestError, match="another shape"):
        grown_tensors(model_tensors(earlier), fresh)
