"""What models that generate a sequence given another share: an encoder, a step of the decoder, and the search."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length, padded_source
from seqloom_portable.engine import Arrays, Engine
from seqloom_portable.folder import Folder
from seqloom_portable.sampling import Sampling
from seqloom_portable.search import Search, search_targets
from seqloom_portable.targets import Hypothesis

Source = Sequence[int] | NDArray[Any]
"""Token ids with `<eos>`, or frames of numbers (steps, channels)."""

_BUDGET = 8_000
"""The largest product of source elements (padding included) and hypotheses in one decoder batch."""


class Translation(NamedTuple):
    """A target for a source. `log_prob` in nats, the end included; `score`, by which translations are ranked;
    `attention` (target, source), if the model has attention, with `<eos>` on both sides; `source` and `target` are the
    tokens that it is between."""

    text: str
    log_prob: float
    score: float
    attention: NDArray[np.float32] | None = None
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The attention is the `alignment`: its weights with four decimals, one list for each target token."""
        plain = {"text": self.text, "log_prob": self.log_prob, "score": self.score}
        if self.attention is None:
            return plain
        weights = [[round(weight, 4) for weight in row] for row in self.attention.tolist()]
        return {**plain, "alignment": {"source": list(self.source), "target": list(self.target), "weights": weights}}


def batches(sources: Sequence[Source], search: Search) -> list[list[int]]:
    """The positions of the sources of each batch, which are of similar length."""
    return group_by_length([len(source) for source in sources], max(1, _BUDGET // search.rows))


class Transducer:
    """`settings` of the search, as the run was trained with."""

    has_beam = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self.settings: dict[str, Any] = folder.manifest["decoding"]

    @cached_property
    def _encoder(self) -> Engine:
        return self.folder.engine("encoder", self.threads)

    @cached_property
    def _step(self) -> Engine:
        return self.folder.engine("step", self.threads)

    def search_options(
        self,
        beam_size: int | None,
        n_best: int,
        length_penalty: float | None,
        max_length: int | None,
        sampling: Sampling | None,
        seed: int,
        never: tuple[int, ...],
    ) -> Search:
        """Options that are None take the values that the run was trained with."""
        defaults = self.settings
        return Search(
            beam_size=max(defaults["beam_size"], n_best) if beam_size is None else beam_size,
            n_best=n_best,
            length_penalty=defaults["length_penalty"] if length_penalty is None else length_penalty,
            max_length=defaults["max_length"] if max_length is None else max_length,
            sampling=sampling,
            seed=seed,
            never=never,
        )

    def search(self, sources: Sequence[Source], search: Search, prefix: Sequence[int] = ()) -> list[list[Hypothesis]]:
        """The hypotheses of each source, the best first. Every target begins with `prefix`."""
        by_source: list[list[Hypothesis]] = [[] for _ in sources]
        for places in batches(sources, search):
            rows = [np.asarray(sources[place]) for place in places]
            for place, best in zip(places, self.search_encoded(rows, *self.encode(rows), search, prefix), strict=True):
                by_source[place] = best
        return by_source

    def search_encoded(
        self, rows: Sequence[NDArray[Any]], encoded: Arrays, first: Arrays, search: Search, prefix: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """The same for one batch, whose sources are encoded; `first` is the decoder's first state, if it depends on
        the source."""

        def state(count: int) -> Arrays:
            if first:
                return {name: np.repeat(part, count, 0) for name, part in first.items()}
            return self._step.first_state(len(rows) * count)

        return search_targets(self.decode_next, state, encoded, rows, [prefix] * len(rows), search)

    def encode(self, rows: Sequence[NDArray[Any]]) -> tuple[Arrays, Arrays]:
        """The encoded sources, and the decoder's first state if it depends on the source."""
        source, lengths = padded_source(rows)
        outputs, _ = self._encoder(source=source, lengths=lengths)
        first = {name: outputs.pop(name) for name in self._step.state if name in outputs}
        return outputs, first

    def decode_next(
        self, token_ids: NDArray[np.int64], state: Arrays, encoded: Arrays
    ) -> tuple[NDArray[np.float32], Arrays, Any]:
        """log p(next token | tokens so far, source) in nats (batch, rows, vocab), the new state, and the attention."""
        outputs, state = self._step(token_ids=token_ids, **state, **encoded)
        return outputs["log_probs"], state, outputs.get("attention")
