"""Embeddings that begin with the vectors of words that are known already."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqloom.data.tokenizer import SPECIALS
from seqloom.errors import RequestError
from seqloom.models.word_vectors.files import dim_of, open_table


@torch.no_grad()
def begin_with(table: nn.Embedding, tokens: Sequence[str], source: str, setting: str) -> int:
    """Puts the vectors of `source` (a run or a file; empty: nothing is done) where the `tokens` that they are of stand,
    and says on standard error how many were found. They are scaled to the size that the table's own numbers have, to
    which the network's other weights are fitted.

    Raises RequestError where sizes differ or no token is found; `setting` is the name of what was asked.
    """
    if not source:
        return 0
    if (dim := dim_of(source)) != table.embedding_dim:
        expected = f"{dim}, the numbers a word of {source}"
        raise RequestError("the vectors are of another size", where=setting, got=table.embedding_dim, expected=expected)
    found, rows = find_rows(tokens, source, setting)
    size = float(table.weight.square().mean().sqrt())
    table.weight[found] = rows * (size / max(float(rows.square().mean().sqrt()), 1e-12))
    return len(found)


def find_rows(tokens: Sequence[str], source: str, setting: str) -> tuple[list[int], Float[Tensor, "found dim"]]:
    """Which of the `tokens` have vectors in `source` (special ones have none), and these; how many is said on standard
    error. Raises RequestError where none has one."""
    vectors = open_table(source)
    places = [vectors.place(token) if number >= len(SPECIALS) else None for number, token in enumerate(tokens)]
    found = [number for number, place in enumerate(places) if place is not None]
    print(
        f"{setting}: {len(found):,} of {len(tokens) - len(SPECIALS):,} tokens have vectors in {source}", file=sys.stderr
    )
    if not found:
        raise RequestError(
            "no token has a vector", where=setting, got=source, hint="words are matched as they are written"
        )
    return found, torch.from_numpy(vectors.matrix[[place for place in places if place is not None]].copy())
