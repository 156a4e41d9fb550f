"""Linear interpolation of language models: p(w | h) = sum of weight_k p_k(w | h), with weights from held-out text.

An example is the trigram mixed with a neural model of Bengio et al. 2003 (section 4). Each part has its own state and
reads the beginning of a line as it did in training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor

from seqloom.config import Settings
from seqloom.data.batches import ExactStreamLoader, Loader
from seqloom.data.line_batches import LineLoader
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SOS
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder
from seqloom.models.counted import CountBased
from seqloom.models.data_sizes import HasDataSizes
from seqloom.models.fitted import PARTS
from seqloom.models.language_model import PredictsNext
from seqloom.nn.layer import State
from seqloom.storage.tensors import read_tensors, write_tensors

Mode = Literal["stream", "lines"]


class MixtureSettings(Settings):
    parts: tuple[str, ...] = Field(
        (), description="the folders of the runs to mix, separated by commas; they are copied"
    )
    tolerance: float = Field(
        1e-9, gt=0, description="EM stops when the gain of an iteration is less than this, in nats per token"
    )

    @field_validator("parts", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


class Part(NamedTuple):
    """A language model of a mixture. `mode`: that of its training, or None if it does not matter; `vocabulary`: its
    tokenizer as JSON."""

    model: PredictsNext
    mode: Mode | None
    vocabulary: str


class Mixture(CountBased):
    """A weighted sum of the distributions of several language models."""

    settings = MixtureSettings
    description = "A mixture of language models: a weighted sum of their next-token distributions."
    source = "Jelinek and Mercer 1980; Bengio et al. 2003"

    def __init__(self, settings: MixtureSettings, mode: Mode, open_part: Callable[[Path], Part]) -> None:
        super().__init__()
        self.config, self.mode, self._open_part = settings, mode, open_part
        self.parts: list[Part] = []
        self.weights = torch.zeros(0, dtype=torch.float64)

    def estimate(self, train: TokenFile, valid: TokenFile | None, vocab_size: int) -> None:  # noqa: ARG002
        """Fits the weights that maximise the probability of `valid`. The parts do not change."""
        if len(self.config.parts) < 2:
            raise RequestError(
                "a mixture needs at least two models",
                where="model.parts",
                got=list(self.config.parts),
                hint="--set model.parts=RUN1,RUN2",
            )
        assert valid is not None
        self._open_parts([Path(name) for name in self.config.parts])
        self.weights = torch.from_numpy(em_weights(self._log_probs_on(valid), self.config.tolerance))

    def save(self, folder: Path) -> None:
        """Writes the weights, and copies of all parts next to them."""
        copies = folder / PARTS
        shutil.rmtree(copies, ignore_errors=True)
        for number, name in enumerate(self.config.parts):
            target = make_folder(copies / str(number))
            for path in sorted(Path(name).iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    shutil.copy2(path, target / path.name)
            if (Path(name) / PARTS).exists():
                shutil.copytree(Path(name) / PARTS, target / PARTS)
        write_tensors(folder / "model.safetensors", {"weights": self.weights})

    def open(self, folder: Path) -> None:
        """Raises SeqloomError if the weights are not those of the parts, or no distribution."""
        tensors = read_tensors(folder / "model.safetensors")
        self._open_parts(_copies(folder))
        weights = tensors.get("weights", torch.zeros(0))
        if weights.shape != (len(self.parts),) or not _is_distribution(weights):
            raise SeqloomError("the mixture is damaged", where=str(folder), got=f"weights {weights.tolist()}")
        self.weights = weights

    def data_sizes(self) -> Mapping[str, int]:
        """Those of its parts, which are equal."""
        model = self.parts[0].model
        return model.data_sizes() if isinstance(model, HasDataSizes) else {}

    def num_parameters(self) -> int:
        """The number of parameters of all parts, and of the weights."""
        return len(self.weights) + sum(_size(part.model) for part in self.parts)

    def initial_state(self, batch_size: int) -> State:
        return tuple(part.model.initial_state(batch_size) for part in self.parts)

    def next_log_probs(
        self, token_ids: Int[Tensor, "batch time"], state: State
    ) -> tuple[Float[Tensor, "batch vocab"], State]:
        log_probs, after = self.next_log_probs_of_parts(token_ids, state)
        return mixed(log_probs, self.weights), after

    def log_prob(
        self,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time"], State]:
        scores, after = self.log_prob_of_parts(token_ids, targets, state, lengths)
        return mixed(scores, self.weights), after

    def next_log_probs_of_parts(
        self, token_ids: Int[Tensor, "batch time"], state: State
    ) -> tuple[Float[Tensor, "parts batch vocab"], State]:
        """The log-probability of each next token under each part, in nats and float64, and the new states."""
        return _stacked(
            part.model.next_log_probs(self._inputs_of(part, token_ids), before)
            for part, before in zip(self.parts, state, strict=True)
        )

    def log_prob_of_parts(
        self,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "parts batch time"], State]:
        """The log-probability of each target under each part, in nats and float64, and the new states."""
        return _stacked(
            part.model.log_prob(self._inputs_of(part, token_ids), targets, before, lengths)
            for part, before in zip(self.parts, state, strict=True)
        )

    def _inputs_of(self, part: Part, token_ids: Tensor) -> Tensor:
        """The input of a part. A part that was trained on a stream does not know <sos>; it reads the <eos> of the
        previous line instead."""
        if part.mode == "stream" and self.mode == "lines":
            return token_ids.masked_fill(token_ids == SOS, EOS)
        return token_ids

    def _open_parts(self, folders: list[Path]) -> None:
        self.parts = [self._open_part(folder) for folder in folders]
        for folder, part in zip(folders, self.parts, strict=True):
            if part.vocabulary != self.parts[0].vocabulary:
                raise RequestError(
                    "mixed models must have the same vocabulary",
                    where=str(folder),
                    got="another tokenizer.json",
                    expected=f"that of {folders[0]}",
                    hint="train them on the same text with the same settings of the tokenizer",
                )
            if part.mode == "lines" and self.mode == "stream":
                raise RequestError(
                    "a model of lines cannot be part of a mixture on a stream",
                    where=str(folder),
                    got="data.mode=lines",
                    expected="data.mode=stream",
                    hint="--set data.mode=lines mixes line by line",
                )

    @torch.inference_mode()
    def _log_probs_on(self, data: TokenFile) -> NDArray[np.float64]:
        """(parts, tokens): the log-probability of every token of `data` under every part."""
        loader: Loader = LineLoader(data, 4_096, None) if self.mode == "lines" else ExactStreamLoader(data, 20, 64)
        log_probs: list[Tensor] = []
        state: State | None = None
        for step in range(loader.num_steps(0)):
            batch = loader.batch(0, step)
            before = state if batch.continues and state is not None else self.initial_state(batch.num_rows)
            scores, state = self.log_prob_of_parts(batch.inputs, batch.targets, before, batch.lengths)
            mask = batch.mask()
            log_probs.append(scores.flatten(1) if mask is None else scores[:, mask])
        return torch.cat(log_probs, 1).numpy()


def _stacked(results: Iterable[tuple[Tensor, State]]) -> tuple[Tensor, State]:
    log_probs, after = zip(*results, strict=True)
    return torch.stack([part.double().cpu() for part in log_probs]), after


def mixed(log_probs: Float[Tensor, "parts batch values"], weights: Float[Tensor, " parts"]) -> Tensor:
    """(batch, values): the logarithm of the weighted sum of probabilities."""
    return (log_probs + weights.log()[:, None, None]).logsumexp(0)


def em_weights(log_probs: NDArray[np.float64], tolerance: float, max_steps: int = 1_000) -> NDArray[np.float64]:
    """The weights of the parts that maximise the likelihood of the tokens, given `log_probs` (parts, tokens), by
    expectation maximisation: the new weight of a part is its mean responsibility. The likelihood never falls."""
    # Relative to the best part of each token, against underflow.
    best = log_probs.max(0)
    probs = np.exp(log_probs - np.where(np.isfinite(best), best, 0.0))
    weights, before = np.full(len(probs), 1 / len(probs)), -np.inf
    for _ in range(max_steps):
        mixed = weights @ probs
        likelihood = np.log(np.maximum(mixed, 1e-300)).mean()
        if likelihood - before < tolerance:
            break
        before = likelihood
        weights = (weights[:, None] * probs / np.maximum(mixed, 1e-300)).mean(1)
        weights /= weights.sum()
    return weights


def _copies(folder: Path) -> list[Path]:
    """The folders of the parts in a mixture's folder, in their order."""
    copies = folder / PARTS
    paths = [path for path in copies.iterdir() if path.name.isdecimal()] if copies.is_dir() else []
    return sorted(paths, key=lambda path: int(path.name))


def _is_distribution(weights: Tensor) -> bool:
    return bool((weights >= 0).all()) and abs(float(weights.sum()) - 1) < 1e-6


def _size(model: Any) -> int:
    return model.num_parameters() if isinstance(model, CountBased) else sum(p.numel() for p in model.parameters())
