"""Embeddings that begin with the vectors of words that are known already."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import nn

from seqloom.data.tokenizer import SPECIALS
from seqloom.errors import RequestError
from seqloom.models.word_vectors.files import open_table


@torch.no_grad()
def begin_with(table: nn.Embedding, tokens: Sequence[str], source: str, setting: str) -> int:
    """Puts the vectors of `source` (a run or a file; empty: nothing is done) where the `tokens` that they are of stand,
    and says on standard error how many were found. They are scaled to the size that the table's own numbers have, to
    which the network's other weights are fitted.

    Raises RequestError where sizes differ or no token is found; `setting` is the name of what was asked.
    """
    if not source:
        return 0
    vectors = open_table(source)
    if vectors.dim != table.embedding_dim:
        expected = f"{vectors.dim}, the numbers a word of {source}"
        raise RequestError("the vectors are of another size", where=setting, got=table.embedding_dim, expected=expected)
    places = [vectors.place(token) if number >= len(SPECIALS) else None for number, token in enumerate(tokens)]
    found = [number for number, place in enumerate(places) if place is not None]
    print(
        f"{setting}: {len(found):,} of {len(tokens) - len(SPECIALS):,} tokens have vectors in {source}", file=sys.stderr
    )
    if not found:
        raise RequestError(
            "no token has a vector", where=setting, got=source, hint="words are matched as they are written"
        )
    rows = torch.from_numpy(vectors.matrix[[place for place in places if place is not None]].copy())
    size = float(table.weight.square().mean().sqrt())
    table.weight[found] = rows * (size / max(float(rows.square().mean().sqrt()), 1e-12))
    return len(found)
