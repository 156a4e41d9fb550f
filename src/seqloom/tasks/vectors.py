"""The task `vectors`: word vectors from a text, scored by the loss on held-out lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import create_model

from seqloom.config import Settings
from seqloom.data.corpus import Recipe
from seqloom.data.phrases import PhraseSettings, phrase_recipe
from seqloom.data.readers.lines import input_lines, lines
from seqloom.data.tables.columns import ColumnChoice, columns_field
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import SPECIALS, TokenizerSettings
from seqloom.errors import RequestError, unknown_name
from seqloom.models.fitted import PassSettings
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.models.word_vectors.model import KINDS, WordVectors
from seqloom.models.word_vectors.settings import WordVectorSettings
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import FittedSettings, LossMetric, Trained
from seqloom.tasks.task import Score


class VectorsSettings(FittedSettings):
    columns: ColumnChoice = columns_field(("text",))
    tokenizer: TokenizerSettings = TokenizerSettings()
    phrases: PhraseSettings = PhraseSettings()
    passes: PassSettings = PassSettings()
    model: WordVectorSettings


_POOLINGS = ("word-mean", "word-sum")
_PRESET = {"tokenizer.vocab_size": 1_000_000, "tokenizer.min_count": 5}
_CORRECTED_RATE = 0.075
"""CBOW with its true gradient takes larger steps (İrsoy et al. 2021, section 3; LOG.md has the figures)."""


class VectorsTask:
    """Learn word vectors from the surrounding words: nats per pair on held-out lines; analogies, similarities."""

    name = "vectors"
    description = "Learn a vector for every frequent word from the words around it."
    default_model = "skipgram"
    loss_metric = LossMetric("nats_per_pair")

    def models(self) -> Sequence[str]:
        return sorted(KINDS)

    def describe(self, model: str) -> Description:
        return Description.of(KINDS[model])

    def settings(self, model: str) -> type[Settings]:
        if model not in KINDS:
            raise unknown_name("model", model, KINDS)
        model_settings = KINDS[model].settings
        return create_model("VectorsSettings", __base__=VectorsSettings, model=(model_settings, model_settings()))

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
        if model == "cbow" and overrides.get("model.compat", "none") == "none":
            return {**_PRESET, "model.learning_rate": _CORRECTED_RATE}
        return _PRESET

    def recipe(self, settings: VectorsSettings) -> Recipe[str, TokenFile]:
        columns = settings.columns
        recipe = phrase_recipe(partial(lines, columns=columns), settings.tokenizer, settings.phrases)
        return recipe.depending_on(columns)

    def fitted(self, model: str, settings: Any) -> WordVectors:
        return KINDS[model](settings.model)

    def score(self, data: TokenFile) -> Score:  # noqa: ARG002
        return Score("nats_per_pair", lower_is_better=True)

    def apart(self, models: Sequence[str]) -> str:
        if len(set(models)) < 2:
            return ""
        return (
            "No verdict: cbow predicts a word from all the words around it, skipgram from each of them, so their "
            "losses do not tell whose vectors are better. Evaluate the runs: seqloom vectors RUN evaluate FILE."
        )

    def measure(self, trained: Trained, data: TokenFile) -> dict[str, float]:
        """The loss of a word given another (CBOW: given the words around it), if both are in the vocabulary."""
        nats, pairs = trained.model.measure(data)
        mean = nats / pairs if pairs else float("inf")
        return {"nats_per_pair": mean, "pairs": pairs, "tokens": len(data), "unknown": data.num_unknown}

    def inputs(self, path: str, settings: VectorsSettings) -> Iterator[str]:
        return input_lines(path, settings.columns)

    def embed(self, trained: Trained, inputs: Sequence[str], pooling: str) -> Iterator[NDArray[np.float32]]:
        """The mean (`auto`) or the sum of the words' vectors."""
        check_pooling(pooling)
        if pooling not in (AUTO, *_POOLINGS):
            raise RequestError("there is no layer over these vectors", where="pooling", got=pooling, expected=_POOLINGS)
        matrix, codec = trained.model.vectors(), trained.codec
        encoded = codec.tokenizer.encode_lines(codec.joined(inputs))
        for first, last in itertools.pairwise(encoded.offsets.tolist()):
            words = encoded.ids[first:last]
            rows = matrix[words[words >= len(SPECIALS)]]
            total = rows.sum(0, dtype=np.float32)
            yield total if pooling == "word-sum" or not len(rows) else total / np.float32(len(rows))


tasks.register("vectors")(VectorsTask())
