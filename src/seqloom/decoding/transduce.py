"""Generates the targets of many sources, in batches of similar length, in the given order."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from seqloom.data.line_batches import padded
from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.decoding.batching import Source, padded_source, run_in_batches
from seqloom.decoding.beam import BeamSearch
from seqloom.decoding.constrained_beam import ConstrainedBeam
from seqloom.decoding.decode_loop import Sources, Strategy, decode
from seqloom.decoding.greedy_sampling import AncestralSampling, Greedy
from seqloom.decoding.hypotheses import hypotheses
from seqloom.decoding.search_options import Hypothesis, Search
from seqloom.errors import RequestError
from seqloom.models.encoder_decoder import DecodesNext

_BUDGET = 8_000
"""The largest product of source tokens (padding included) and hypotheses in one batch."""


def transduce(
    model: DecodesNext,
    sources: Iterable[Source],
    search: Search,
    prefixes: Iterable[Sequence[int]] | None = None,
    device: torch.device | None = None,
) -> Iterator[list[Hypothesis]]:
    """Yields the hypotheses of each source, best first, in the given order.

    `prefixes`: the tokens that each target must begin with. `device` is the model's; None is the CPU. Sources are read
    some thousands ahead. Raises a RequestError if a source is empty or a prefix contains special tokens.
    """
    pairs = zip(sources, itertools.repeat(()) if prefixes is None else prefixes, strict=prefixes is not None)
    checked = (_checked(number, *pair) for number, pair in enumerate(pairs, 1))
    return run_in_batches(
        checked,
        lambda pair: len(pair[0]),
        _BUDGET // search.rows,
        lambda batch: _transduce_batch(model, batch, search, device or torch.device("cpu")),
    )


def _checked(number: int, source: Source, prefix: Sequence[int]) -> tuple[Source, Sequence[int]]:
    if not len(source):
        raise RequestError("a source is empty", where=f"source {number}", expected="one element or more")
    if not {PAD, SOS, EOS}.isdisjoint(prefix):
        raise RequestError(
            "a prefix contains a special token",
            where=f"prefix {number}",
            got=list(prefix),
            expected="no <pad>, <sos> or <eos>",
        )
    return source, prefix


@torch.inference_mode()
def _transduce_batch(
    model: DecodesNext, pairs: list[tuple[Source, Sequence[int]]], search: Search, device: torch.device
) -> list[list[Hypothesis]]:
    rows, prefixes = zip(*pairs, strict=True)
    elements, lengths = padded_source(rows)
    sources = Sources(
        model.encode(elements.to(device), lengths.to(device)),
        lengths.numpy(),
        np.array([search.longest(len(row), len(prefix)) for row, prefix in pairs]),
        torch.from_numpy(padded(prefixes, -1)).to(device),
        [zlib.crc32(row[:length].numpy().tobytes()) for row, length in zip(elements, lengths, strict=True)],
        torch.tensor([search.shortest(len(row)) for row in rows], device=device),
    )
    steps = decode(model, sources, _strategy(search), search)
    return hypotheses(steps, sources, search)


def _strategy(search: Search) -> Strategy:
    if search.sampling is not None:
        return AncestralSampling(search.sampling, search.n_best, search.seed)
    if search.required:
        return ConstrainedBeam(search)
    return Greedy() if search.beam_size == 1 else BeamSearch(search)
