"""Generates the targets of many sources, in batches of similar length, in the given order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from seqloom.data.line_batches import padded
from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.decoding.batching import Source, padded_source, run_in_batches
from seqloom.decoding.beam import BeamSearch
from seqloom.decoding.constrained_beam import ConstrainedBeam
from seqloom.decoding.decode_loop import Sources, Strategy, decode
from seqloom.decoding.diverse_beam import DiverseBeam
from seqloom.decoding.greedy_sampling import AncestralSampling, Greedy
from seqloom.decoding.hypotheses import hypotheses
from seqloom.decoding.search_options import Constraints, Search
from seqloom.decoding.token_rules import Forbidden
from seqloom.errors import RequestError
from seqloom.models.encoder_decoder import DecodesNext
from seqloom_portable.keyed_rng import source_key
from seqloom_portable.targets import Hypothesis

BUDGET = 8_000
"""The largest product of source tokens (padding included) and hypotheses in one batch."""

_Item = tuple[Source, Constraints]


def transduce(
    model: DecodesNext,
    sources: Iterable[Source],
    search: Search,
    constraints: Iterable[Constraints] | None = None,
    device: torch.device | None = None,
) -> Iterator[list[Hypothesis]]:
    """Yields the hypotheses of each source, best first, in the given order.

    `constraints`: what the targets of each source contain. `device` is the model's; None is the CPU. Sources are read
    some thousands ahead. Raises a RequestError if a source is empty, a prefix contains special tokens, or terms are
    required of a search that cannot find them.
    """
    free = itertools.repeat(Constraints())
    pairs = zip(sources, free if constraints is None else constraints, strict=constraints is not None)
    checked = (_checked(number, *pair, search) for number, pair in enumerate(pairs, 1))
    return run_in_batches(
        checked,
        lambda pair: len(pair[0]),
        BUDGET // search.rows,
        lambda batch: transduce_batch(model, batch, search, device or torch.device("cpu")),
    )


def _checked(number: int, source: Source, constraints: Constraints, search: Search) -> _Item:
    if not len(source):
        raise RequestError("a source is empty", where=f"source {number}", expected="one element or more")
    if not {PAD, SOS, EOS}.isdisjoint(constraints.prefix):
        raise RequestError(
            "a prefix contains a special token",
            where=f"prefix {number}",
            got=list(constraints.prefix),
            expected="no <pad>, <sos> or <eos>",
        )
    if constraints.required:
        check_can_require(search)
    return source, constraints


def check_can_require(search: Search) -> None:
    """Raises RequestError if the targets of a search cannot be made to contain terms."""
    if search.sampling is not None:
        raise RequestError(
            "required terms cannot be combined with sampling", where="require", hint="leave out --sample"
        )
    if search.diverse_groups > 1:
        raise RequestError(
            "required terms cannot be combined with groups", where="require", hint="leave out --diverse-groups"
        )


def transduce_batch(
    model: DecodesNext, items: list[_Item], search: Search, device: torch.device
) -> list[list[Hypothesis]]:
    """The hypotheses of each source. Sources with required terms are searched apart from the others, so that no answer
    depends on the constraints of another source."""
    results: dict[int, list[Hypothesis]] = {}
    for is_constrained in (False, True):
        places = [place for place, (_, limits) in enumerate(items) if bool(limits.required) == is_constrained]
        if places:
            batch = _decode_batch(model, [items[place] for place in places], search, device, is_constrained)
            results |= zip(places, batch, strict=True)
    return [results[place] for place in range(len(items))]


@torch.inference_mode()
def _decode_batch(
    model: DecodesNext, items: list[_Item], search: Search, device: torch.device, is_constrained: bool
) -> list[list[Hypothesis]]:
    rows, constraints = zip(*items, strict=True)
    elements, lengths = padded_source(rows)
    sources = Sources(
        model.encode(elements.to(device), lengths.to(device)),
        lengths.numpy(),
        np.array([search.longest(len(row), limits.num_tokens) for row, limits in items]),
        torch.from_numpy(padded([limits.prefix for limits in constraints], -1)).to(device),
        [source_key(row[:length].numpy()) for row, length in zip(elements, lengths, strict=True)],
        torch.tensor([search.shortest(len(row)) for row in rows], device=device),
        [limits.required for limits in constraints],
        Forbidden.of([limits.forbidden for limits in constraints], device),
    )
    steps = decode(model, sources, ConstrainedBeam(search) if is_constrained else _strategy(search), search)
    return hypotheses(steps, sources, search)


def _strategy(search: Search) -> Strategy:
    if search.sampling is not None:
        return AncestralSampling(search.sampling, search.n_best, search.seed)
    if search.diverse_groups > 1:
        return DiverseBeam(search)
    return Greedy() if search.beam_size == 1 else BeamSearch(search)
