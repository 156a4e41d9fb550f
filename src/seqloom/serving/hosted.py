"""What a server asks of its models, be they runs or folders of exported models."""

from __future__ import annotations

import contextlib
import io
import wave
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import SeqloomError
from seqloom.serving.next_token import TokenModel
from seqloom.serving.response_error import ResponseError
from seqloom.serving.saved_files import Saved
from seqloom_portable.errors import PortableError

ABILITIES = {
    "language-model": ("completions", "next", "score"),
    "translate": ("translate", "score"),
    "describe": ("describe",),
    "classify": ("classify",),
    "tag": ("tag",),
    "forecast": ("forecast",),
    "transcribe": ("transcribe",),
    "vectors": ("nearest", "analogy"),
    "algorithm": ("memory",),
}
"""What a model of a task can be asked, by the last part of an endpoint's path. A model that has vectors of texts can be
asked for `embeddings` too."""

Table = Mapping[str, Sequence[Any]]
"""The columns of a table by name."""


class Hosted(ABC):
    """A model under a `name`. What it can be asked is in `abilities`; nothing else is. All of it runs on the worker's
    thread, and raises SeqloomError or PortableError for what cannot be answered."""

    name: str
    task: str
    model: str
    folder: Path
    facts: Mapping[str, Any]
    """What the page shows of it: its score on held-out data, its size, its horizon."""
    abilities: frozenset[str]
    saved: Saved | None = None
    """The state of its files before it was opened; `open_hosted` knows it."""

    def check_able(self, ability: str) -> None:
        if ability not in self.abilities:
            able = ", ".join(sorted(self.abilities)) or "nothing"
            raise ResponseError(
                404, f"the model {self.name!r} cannot be asked for {ability}; it can for {able}", "model"
            )

    @cached_property
    @abstractmethod
    def tokens(self) -> TokenModel:
        """Of a language model."""

    @abstractmethod
    def answers(self, inputs: Sequence[Any], options: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """The answers to each input, the best first, as `predict --json` writes them. Recordings are the bytes of a
        file."""

    @abstractmethod
    def embed(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        """(inputs, dimension)."""

    @abstractmethod
    def forecast(self, values: Table | Sequence[float], horizon: int) -> list[dict[str, Any]]:
        """The steps after a table, or after the values of one series; `horizon` 0: as in training."""

    @cached_property
    @abstractmethod
    def vectors(self) -> Any:
        """Of word vectors: what has `words`, `similar`, `analogy` and `vector`."""

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[list[tuple[str, float]]]:
        """Of a translator: the tokens of each target with their log-probabilities, its end included."""
        raise NotImplementedError

    def memory(self, seed: int) -> dict[str, Any]:
        """Of a Neural Turing Machine: one generated sequence, and where its heads looked."""
        raise NotImplementedError

    def can_embed(self) -> bool:
        try:
            return self.embed(["a"]).shape[1] > 0
        except (SeqloomError, PortableError):
            return False

    def warm_up(self) -> None:
        """Answers one small request of each kind, so that kernels are loaded, or compiled, before people wait."""
        first: Any = np.zeros((1, self.facts["channels"])) if "channels" in self.facts else "a"
        first_requests: dict[str, Callable[[], Any]] = {
            "completions": lambda: self.tokens.next("", 1),
            "next": lambda: self.tokens.next("", 1),
            "score": lambda: self.score_pairs([("a", "a")]) if self.task == "translate" else [*self.tokens.score("a")],
            "nearest": lambda: self.vectors.similar(self.vectors.words[0], 1),
            "embeddings": lambda: self.embed(["a"]),
            "forecast": lambda: self.forecast([1.0, 2.0] * 100, 0),
            "memory": lambda: self.memory(1),
            "transcribe": lambda: [*self.answers([_second_of_silence()], {})],
            **{name: lambda: [*self.answers([first], {})] for name in ("translate", "classify", "tag", "describe")},
        }
        for ability in sorted(self.abilities & first_requests.keys()):
            with contextlib.suppress(SeqloomError, PortableError):  # of a model that reads something else
                first_requests[ability]()


def _second_of_silence() -> bytes:
    """A WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setparams((1, 2, 8_000, 8_000, "NONE", ""))
        sound.writeframes(bytes(16_000))
    return content.getvalue()
