"""The task `vectors`: vectors of words and of documents from a text, scored by the loss on held-out lines."""

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
from seqloom.data.documents import document_recipe
from seqloom.data.phrases import PhraseSettings, phrase_recipe
from seqloom.data.readers.documents import documents
from seqloom.data.readers.lines import input_lines, lines
from seqloom.data.tables.columns import ColumnChoice, columns_field, columns_text, parse_columns
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import SPECIALS, TokenizerSettings
from seqloom.errors import RequestError, unknown_name
from seqloom.models.fitted import FittedSettings, PassSettings
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.models.word_vectors.kinds import KINDS
from seqloom.models.word_vectors.model import WordVectors
from seqloom.models.word_vectors.settings import WordVectorSettings
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import LossMetric, Trained
from seqloom.tasks.task import Score


class VectorsSettings(FittedSettings):
    columns: ColumnChoice = columns_field(("text",))
    tokenizer: TokenizerSettings = TokenizerSettings()
    phrases: PhraseSettings = PhraseSettings()
    passes: PassSettings = PassSettings()
    model: WordVectorSettings


class DocumentVectorsSettings(VectorsSettings):
    columns: ColumnChoice = columns_field(("name", "text"))


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
        base = DocumentVectorsSettings if KINDS[model].has_documents else VectorsSettings
        return create_model("VectorsSettings", __base__=base, model=(model_settings, model_settings()))

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
        if KINDS[model].is_cbow and overrides.get("model.compat", "none") == "none":
            return {**_PRESET, "model.learning_rate": _CORRECTED_RATE}
        return _PRESET

    def recipe(self, settings: VectorsSettings) -> Recipe[Any, Any]:
        columns = settings.columns
        if isinstance(settings, DocumentVectorsSettings):
            read = partial(documents, columns=columns)
            return document_recipe(read, settings.tokenizer, settings.phrases).depending_on(columns)
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
            f"No verdict: {' and '.join(sorted(set(models)))} predict words from different things, so their losses do "
            "not tell whose vectors are better. Evaluate the runs: seqloom vectors RUN evaluate FILE."
        )

    def measure(self, trained: Trained, data: TokenFile) -> dict[str, float]:
        """The loss of a word given another (CBOW: given the words around it), if both are in the vocabulary."""
        nats, pairs = trained.model.measure(data)
        mean = nats / pairs if pairs else float("inf")
        return {"nats_per_pair": mean, "pairs": pairs, "tokens": len(data), "unknown": data.num_unknown}

    def inputs(self, path: str, settings: VectorsSettings) -> Iterator[str]:
        return input_lines(
            path,
            columns_text({role: column for role, column in parse_columns(settings.columns).items() if role == "text"}),
        )

    def embed(self, trained: Trained, inputs: Sequence[str], pooling: str) -> Iterator[NDArray[np.float32]]:
        """The vector that a model of documents infers (`auto`); of other models the mean (`auto`) or the sum of the
        words' vectors."""
        check_pooling(pooling)
        if pooling not in (AUTO, *_POOLINGS):
            raise RequestError("there is no layer over these vectors", where="pooling", got=pooling, expected=_POOLINGS)
        model, codec = trained.model, trained.codec
        encoded = codec.tokenizer.encode_lines(codec.joined(inputs))
        if model.has_documents and pooling == AUTO:
            yield from model.infer(encoded.ids, encoded.offsets)
            return
        if not model.has_words:
            raise RequestError(
                "this model has no vectors of words", where="pooling", got=pooling, expected=AUTO,
                hint="--set word_vectors=true trains them too",
            )  # fmt: skip
        matrix = model.vectors()
        for first, last in itertools.pairwise(encoded.offsets.tolist()):
            words = encoded.ids[first:last]
            rows = matrix[words[words >= len(SPECIALS)]]
            total = rows.sum(0, dtype=np.float32)
            yield total if pooling == "word-sum" or not len(rows) else total / np.float32(len(rows))


tasks.register("vectors")(VectorsTask())
