"""Language modelling: text in, a model that predicts the next token out; scored by perplexity and bits per byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, create_model, model_validator
from torch import Tensor

from seqloom.config import Settings
from seqloom.data.batch import Batch
from seqloom.data.corpus import Corpus, Sources, prepare, tokenize
from seqloom.data.loader import ExactStreamLoader, LineLoader, Loader, StreamLoader
from seqloom.data.readers import readers
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SOS, Tokenizer, TokenizerSettings
from seqloom.errors import RequestError, unknown_name
from seqloom.models.language_model import LanguageModel
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.layer import State, layers
from seqloom.nn.output import OutputSettings
from seqloom.tasks import tasks
from seqloom.tasks.task import Loss, TrainedModel


class DataSettings(Settings):
    mode: Literal["stream", "lines"] = Field(
        "stream", description="stream: one long text with the state carried on; lines: each line on its own"
    )
    batch_size: int = Field(20, gt=0, le=2**20, description="stream: parallel streams")
    horizon: int = Field(35, gt=0, le=2**20, description="stream: steps that gradients reach back (k2)")
    advance: int = Field(0, ge=0, le=2**20, description="stream: new steps a batch (k1); 0: as many as the horizon")
    tokens_per_batch: int = Field(1_000, gt=0, le=2**31, description="lines: most tokens in a batch, padding included")


class LanguageModelSettings(Settings):
    tokenizer: TokenizerSettings = TokenizerSettings()
    data: DataSettings = DataSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    output: OutputSettings = OutputSettings()
    model: Settings

    @model_validator(mode="after")
    def _gradients_reach_what_is_new(self) -> LanguageModelSettings:
        if self.data.advance > self.data.horizon:
            raise RequestError(
                "a batch cannot have more new steps than gradients reach back",
                where="data.advance",
                got=self.data.advance,
                expected=f"at most data.horizon, {self.data.horizon}",
            )
        return self

    @model_validator(mode="after")
    def _memory_is_bounded(self) -> LanguageModelSettings:
        if self.data.mode == "stream" and getattr(self.model, "window", None) == 0:
            raise RequestError(
                "along a stream, a memory of everything seen would grow without end",
                where="model.window",
                got=0,
                expected="1 or more",
                hint="set it, or train on lines with data.mode=lines",
            )
        return self


_RECURRENT = {"embedding.dim": 320, "model.hidden_size": 512, "model.num_layers": 1}
_DROPOUT = {"embedding.dropout": 0.25, "output.dropout": 0.3}
PRESETS: dict[str, dict[str, Any]] = {
    "ar": {"model.output_size": 256, "training.learning_rate": 2e-3},
    "ffnn": {"training.learning_rate": 2e-3, "model.dropout": 0.2},
    "nnlm": {"output.tied": False, "training.learning_rate": 2e-3, "model.dropout": 0.2},
    "rnn": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 1e-3},
    "gru": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 3e-3},
    "lstm": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 4e-3},
    "mingru": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 4e-3},
    "transformer": {
        "model.num_layers": 2,
        "model.dropout": 0.1,
        "output.dropout": 0.1,
        "data.horizon": 64,
        "data.batch_size": 16,
        "training.learning_rate": 1e-3,
    },
}
"""What a model starts from. The LSTM's were found on Penn Treebank words (LOG.md has what failed); others follow."""

_CHARACTERS: dict[str, dict[str, Any]] = {
    name: {
        "embedding.dim": 64,
        "embedding.dropout": 0.0,
        "output.dropout": 0.0,
        "output.tied": False,
        "data.batch_size": 32,
        "data.horizon": 64,
    }
    for name in ("rnn", "gru", "lstm", "mingru")
} | {
    "ar": {"embedding.dim": 64, "output.tied": False, "model.order": 9},
    "ffnn": {"embedding.dim": 64, "output.tied": False, "model.order": 17},
    "nnlm": {"embedding.dim": 64, "model.order": 17},
}
"""What is otherwise with characters: few of them, so vectors are small and memory is what counts."""

_STREAM_WINDOW = 64


class LanguageModelTask:
    """Predict the next token of a text: perplexity, bits a byte and a token."""

    name = "language-model"
    score = "perplexity"
    lower_is_better = True

    def models(self) -> Sequence[str]:
        return sorted(PRESETS)

    def settings(self, model: str) -> type[LanguageModelSettings]:
        if model not in PRESETS:
            raise unknown_name("model", model, PRESETS)
        own = layers[model].settings
        return create_model("LanguageModelSettings", __base__=LanguageModelSettings, model=(own, own()))

    def preset(self, model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        preset = dict(PRESETS[model])
        if asked.get("tokenizer.kind") == "character":
            preset |= _CHARACTERS.get(model, {})
        if model == "transformer" and asked.get("data.mode") != "lines":
            # Carried along a stream, a memory of everything would grow without end.
            preset["model.window"] = _STREAM_WINDOW
        return preset

    def read(self, sources: Sources, settings: Settings, cache: Path) -> Corpus:
        return prepare(sources, readers["lines"], _own(settings).tokenizer, cache)

    def read_more(self, path: str, tokenizer: Tokenizer, cache: Path) -> TokenFile:
        return tokenize(path, readers["lines"], tokenizer, cache)

    def build(self, corpus: Corpus, model: str, settings: Settings) -> LanguageModel:
        return _build(model, _own(settings), corpus.train.counts(corpus.tokenizer.vocab_size))

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: Settings) -> LanguageModel:
        return _build(model, _own(settings), tensors["token_counts"].numpy())

    def train_loader(self, corpus: Corpus, settings: Settings, seed: int) -> Loader:
        data = _own(settings).data
        if data.mode == "lines":
            return LineLoader(corpus.train, data.tokens_per_batch, seed)
        return StreamLoader(corpus.train, data.batch_size, data.horizon, seed, data.advance)

    def exact_loader(self, tokens: TokenFile, settings: Settings) -> Loader:
        data = _own(settings).data
        if data.mode == "lines":
            return LineLoader(tokens, data.tokens_per_batch, seed=None)
        return ExactStreamLoader(tokens, batch_size=2 * data.batch_size, horizon=max(data.horizon, 64))

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        if batch.carry is not None:
            return self._loss_in_two(model, batch, batch.carry, state)
        mask = batch.mask()
        total, state = model.loss(batch.inputs, batch.targets, state, batch.lengths, mask)
        count = torch.tensor(batch.targets.numel()) if mask is None else mask.sum()
        return Loss(total, count), state

    def _loss_in_two(
        self, model: TrainedModel, batch: Batch, carry: int, state: State | None
    ) -> tuple[Loss, State | None]:
        """The state is that after `carry` steps; gradients go on through it."""
        if not carry:
            return self.loss(model, batch._replace(carry=None), state)[0], state
        first, carried = self.loss(model, batch.steps(0, carry), state)
        second, _ = self.loss(model, batch.steps(carry, batch.inputs.shape[1]), carried)
        return Loss(first.sum + second.sum, first.count + second.count), carried

    def metrics(self, total: Loss, tokens: TokenFile) -> dict[str, float]:
        nats, count = float(total.sum), int(total.count)
        return {
            "perplexity": math.exp(min(nats / count, 700.0)),
            "bits_per_token": nats / count / math.log(2),
            "bits_per_byte": nats / tokens.num_bytes / math.log(2),
            "tokens": count,
            "unknown": tokens.num_unknown,
        }

    def first_input(self, settings: Settings) -> int:
        """The id that stands before a text: `<sos>` before a line, and in a stream the `<eos>` of what came before."""
        return SOS if _own(settings).data.mode == "lines" else EOS


def _own(settings: Settings) -> LanguageModelSettings:
    return cast(LanguageModelSettings, settings)


def _build(model: str, settings: LanguageModelSettings, counts: NDArray[np.int64]) -> LanguageModel:
    return LanguageModel.build(layers[model], settings.model, settings.embedding, settings.output, counts)


tasks.register("language-model")(LanguageModelTask())
