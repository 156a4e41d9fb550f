"""An exported model behind a server, which runs without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError
from seqloom.serving.hosted import ABILITIES, Hosted, Table
from seqloom.serving.next_token import States, TokenModel
from seqloom_portable.errors import PortableError


class HostedFolder(Hosted):
    """A model that was exported, and runs without torch."""

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        import seqloom_portable

        self.name, self.folder = name, folder
        self.loaded = seqloom_portable.load(folder, threads)
        manifest = self.loaded.folder.manifest if hasattr(self.loaded, "folder") else {}
        self.task, self.model = str(manifest.get("task", "vectors")), str(manifest.get("model", ""))
        able = set(ABILITIES.get(self.task, ())) - {"memory"}
        if self.task == "language-model" and not hasattr(self.loaded, "next_log_probs"):
            able = set()  # CTranslate2's only scores whole lines
        if self.task == "translate":
            able.discard("score")
        self.abilities = frozenset(able | ({"embeddings"} if self.can_embed() else set()))
        self.facts = {"kind": manifest.get("kind", "word vectors")}
        if self.task == "describe" or hasattr(self.loaded, "reads_steps"):
            self.facts |= {"channels": self.loaded.channels}
        if self.task == "forecast":
            self.facts |= {"horizon": self.loaded.horizon}

    @cached_property
    def tokens(self) -> TokenModel:
        loaded = self.loaded

        def step(token_ids: NDArray[np.int64], state: Any) -> tuple[NDArray[Any], Any]:
            return loaded.next_log_probs(token_ids, state)

        def log_probs(token_ids: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[Any]:
            lengths = np.array([token_ids.shape[1]], np.int64)
            scores, _ = loaded.target_log_probs(token_ids, targets, lengths, loaded.first_state(1))
            return scores[0]

        first = loaded.first_state
        return TokenModel(loaded.tokenizer, loaded.first_input, lambda: first(1), step, log_probs, _STATES)

    def answers(self, inputs: Sequence[Any], options: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        if self.task == "transcribe":
            from seqloom.data.sound.sound_file import decode

            inputs = [decode(content, "the recording") for content in inputs]
        if not hasattr(self.loaded, "answers"):  # CTranslate2's translators give the best answer alone
            yield from ([{"text": text}] for text in self.loaded.predict(inputs))
            return
        known = {name: value for name, value in options.items() if name != "attention"}
        for answers in self.loaded.answers(inputs, **known):
            contents = [answer.to_json() for answer in ([answers] if self.task == "tag" else answers)]
            if not options.get("attention"):
                for content in contents:
                    content.pop("alignment", None)
            yield contents

    def embed(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        if not hasattr(self.loaded, "embed"):
            raise PortableError("this model has no vectors")
        return self.loaded.embed(inputs)

    def forecast(self, values: Table | Sequence[float], horizon: int) -> list[dict[str, Any]]:
        if isinstance(values, Mapping):
            raise RequestError("an exported model forecasts one series of values", where="rows", expected="values")
        if horizon > self.loaded.horizon and not self.loaded.recursive:
            raise RequestError(
                "the horizon is out of range", where="horizon", got=horizon, expected=f"at most {self.loaded.horizon}"
            )
        ahead = self.loaded.forecast(np.asarray(values, np.float64), horizon=horizon or None)
        names = [f"{level:g}" for level in self.loaded.levels]
        return [
            {"series": "", "time": str(number + 1), "mean": float(point),
             "quantiles": dict(zip(names, map(float, quantiles), strict=True))}
            for number, (point, quantiles) in enumerate(zip(ahead.point, ahead.quantiles, strict=True))
        ]  # fmt: skip

    @cached_property
    def vectors(self) -> Any:
        return self.loaded


_STATES = States(
    lambda states: {name: np.concatenate([state[name] for state in states]) for name in states[0]},
    lambda state, number: {name: part[number : number + 1] for name, part in state.items()},
    lambda state: tuple(part.shape[1:] for part in state.values()) if isinstance(state, dict) else id(state),
)
"""The states of networks are arrays by name, batch first. Those of n-gram models and mixtures are not joined."""
