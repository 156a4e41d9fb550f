"""The task `describe`, one to many: vectors, or sequences of vectors, into text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, create_model
from torch import Tensor

from seqloom.config import Settings
from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.descriptions import (
    DescriptionCodec,
    DescriptionLoader,
    Descriptions,
    DescriptionTokenizerSettings,
    VectorSettings,
    description_recipe,
)
from seqloom.data.example import Frames as Sequence2D
from seqloom.data.readers import readers
from seqloom.data.readers.described import Described, undescribed
from seqloom.data.tokenizer import UNK
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.sampling import Sampling, sampling_of
from seqloom.decoding.search_options import Hypothesis, Search
from seqloom.decoding.sentence_vectors import sentence_vectors
from seqloom.decoding.token_rules import TokenRules
from seqloom.decoding.transduce import transduce
from seqloom.decoding.translation import Translation
from seqloom.errors import RequestError
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.transduction import bleu_statistics, nearest_references, signatures, transduction_scores
from seqloom.models.architecture import (
    EncoderDecoderSettings,
    architecture,
    architectures,
    describe_architecture,
    setting_fields,
)
from seqloom.models.encoder_decoder import EncoderDecoder, Frames
from seqloom.models.pooling_names import AUTO
from seqloom.nn.evaluation import evaluating
from seqloom.nn.layer import State
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Trained, TrainedModel, refuse_unknown
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score

_FEW_TOKENS = 1_000
"""Up to so many different ones, a text is right or wrong as a whole."""
_EXACT_EXAMPLES = 128


class DataSettings(VectorSettings):
    elements_per_batch: int = Field(4_000, gt=0, le=2**31, description="most tokens or steps in a batch, with padding")
    examples_per_batch: int = Field(32, gt=0, le=2**20, description="most examples in a batch")


class DecodingSettings(Settings):
    beam_size: int = Field(5, gt=0, le=10_000, description="hypotheses of the beam search; 1 is greedy")
    length_penalty: float = Field(
        1.0, ge=0, le=10, description="hypotheses are ranked by log-probability / length to this power"
    )
    max_length: int = Field(
        0, ge=0, description="the most tokens of a text; 0: half as many again as the longest of the training data"
    )
    validation_examples: int = Field(500, ge=0, description="examples that are decoded at each validation; 0: all")


class DescribeSettings(EncoderDecoderSettings):
    tokenizer: DescriptionTokenizerSettings = DescriptionTokenizerSettings()
    data: DataSettings = DataSettings()
    decoding: DecodingSettings = DecodingSettings()


_RECURRENT: dict[str, Any] = {
    "embedding.dim": 128,
    "embedding.dropout": 0.1,
    "encoder.hidden_size": 128,
    "encoder.num_layers": 1,
    "decoder.hidden_size": 128,
    "decoder.num_layers": 1,
    "output.dropout": 0.2,
    "data.noise": 0.2,
    "training.learning_rate": 3e-3,
    "training.average": 0.99,
}
_TRANSFORMER: dict[str, Any] = {
    "embedding.dim": 128,
    "encoder.model_dim": 128,
    "encoder.num_layers": 2,
    "encoder.feed_forward_size": 256,
    "encoder.dropout": 0.1,
    "decoder.model_dim": 128,
    "decoder.num_layers": 2,
    "decoder.feed_forward_size": 256,
    "decoder.dropout": 0.1,
    "data.noise": 0.2,
    "training.learning_rate": 1e-3,
    "training.warmup": 0.05,
    "training.average": 0.99,
}


class DescribeTask:
    """Vectors into text, scored by exact match, BLEU and token error rate."""

    name = "describe"
    description = "Write a text about a vector or a sequence of vectors: captions, names."
    default_model = "bigru+attention"

    def models(self) -> Sequence[str]:
        return sorted(architectures())

    def describe(self, model: str) -> Description:
        return describe_architecture(architecture(model))

    def settings(self, model: str) -> type[DescribeSettings]:
        return create_model("DescribeSettings", __base__=DescribeSettings, **setting_fields(architecture(model)))

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        return _TRANSFORMER if model == "transformer" else _RECURRENT

    def recipe(self, settings: DescribeSettings) -> Recipe[Described, Descriptions]:
        return description_recipe(readers["described"], settings.tokenizer, settings.data)

    def build(self, corpus: Corpus[Described, Descriptions], model: str, settings: DescribeSettings) -> EncoderDecoder:
        codec = cast(DescriptionCodec, corpus.codec)
        counts = corpus.train.target.counts(codec.tokenizer.vocab_size)
        return EncoderDecoder.build(architecture(model), settings, counts, Frames(codec.frames.channels))

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: DescribeSettings) -> EncoderDecoder:
        return EncoderDecoder.rebuild(architecture(model), settings, tensors)

    def train_loader(self, corpus: Corpus[Described, Descriptions], settings: DescribeSettings, seed: int) -> Loader:
        data = settings.data
        return DescriptionLoader(corpus.train, data.elements_per_batch, data.examples_per_batch, data.noise, seed)

    def exact_loader(self, data: Descriptions, settings: DescribeSettings) -> Loader:
        return DescriptionLoader(data, settings.data.elements_per_batch, _EXACT_EXAMPLES, 0.0, seed=None)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        mask = batch.mask()
        total = model.loss(batch.source, batch.source_lengths, batch.inputs, batch.targets, batch.lengths, mask)
        return Loss(total, torch.tensor(batch.targets.numel()) if mask is None else mask.sum()), state

    def score(self, data: Descriptions) -> Score:
        is_text = data.codec.tokenizer.vocab_size > _FEW_TOKENS
        return Score("bleu" if is_text else "exact_match", lower_is_better=False)

    def metrics(self, total: Loss, data: Descriptions) -> dict[str, float]:
        count = int(total.count)
        return {"nats_per_token": float(total.sum) / count, "tokens": count, "examples": data.num_lines}

    def output_metrics(self, trained: Trained, data: Descriptions, brief: bool) -> dict[str, Any]:
        """Of greedy decoding of some examples where `brief`, else as the settings say."""
        places = np.arange(data.num_lines)
        most = trained.settings.decoding.validation_examples
        if brief and most and len(places) > most:
            places = np.linspace(0, len(places) - 1, most).astype(np.int64)
        scores = transduction_scores(*self._decoded(trained, data, places, {"beam_size": 1} if brief else {}))
        return scores if brief else scores | {f"{name}_signature": s for name, s in signatures().items()}

    def example_scores(self, trained: Trained, data: Descriptions) -> ExampleScores:
        """By distinct source: the texts of one source share their hypothesis."""
        keys, hypotheses, references = self._decoded(trained, data, np.arange(data.num_lines), {})
        if self.score(data).name == "exact_match":
            nearest = nearest_references(keys, hypotheses, references)
            return ExampleScores("ratio", "source", np.array([[not item.edits, 1] for item in nearest], np.float64))
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        sums = np.zeros((len(numbers), 10))
        np.add.at(sums, [numbers[key] for key in keys], bleu_statistics(hypotheses, references))
        return ExampleScores("bleu", "source", sums)

    def _decoded(
        self, trained: Trained, data: Descriptions, places: NDArray[np.int64], options: Mapping[str, Any]
    ) -> tuple[list[str], list[str], list[str]]:
        """What tells each source from others, its hypothesis and its reference."""
        rows = data.source.rows(places)
        hypotheses = [best.text for best, *_ in self._answers(trained, rows, options)]
        return [data.keys[i] for i in places], hypotheses, [data.texts[i] for i in places]

    def inputs(self, path: str, settings: DescribeSettings) -> Iterator[Sequence2D]:  # noqa: ARG002
        return undescribed(path)

    def predict(
        self, trained: Trained, inputs: Sequence[Any], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Translation]]:
        """The options are those of `Search` and, with `sample`, of `Sampling`."""
        codec: DescriptionCodec = trained.codec
        known = {option.name for option in (*fields(Search), *fields(Sampling))}
        known -= {"sampling", "rules", "required", "never", "min_ratio", "max_ratio"}
        refuse_unknown(options, known | {"sample", "no_repeat_ngrams"}, self.name)
        rows = []
        for number, vector in enumerate(inputs, 1):
            try:
                rows += codec.rows([vector])
            except (TypeError, ValueError):
                got = type(vector).__name__
                expected = "(channels,) or (steps, channels) numbers"
                raise RequestError(
                    "an input is no vector", where=f"input {number}", got=got, expected=expected
                ) from None
        return self._answers(trained, rows, options)

    def _answers(
        self, trained: Trained, rows: Sequence[Sequence2D], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Translation]]:
        settings, codec, options = trained.settings.decoding, cast(DescriptionCodec, trained.codec), dict(options)
        options["sampling"] = sampling_of(options)
        options["rules"] = TokenRules((), options.pop("no_repeat_ngrams", 0))
        beam_size = options.pop("beam_size", max(settings.beam_size, options.get("n_best", 1)))
        longest = settings.max_length or codec.longest + codec.longest // 2 + 2
        as_set_up = {"length_penalty": settings.length_penalty, "max_length": longest, "never": (UNK,)}
        search = Search(beam_size, **{**as_set_up, **options})
        device = next(trained.model.parameters()).device
        with evaluating(trained.model):
            for row, hypotheses in zip(rows, transduce(trained.model, rows, search, device=device), strict=True):
                yield [_translation(codec, len(row), hypothesis) for hypothesis in hypotheses]

    def embed(self, trained: Trained, inputs: Sequence[Any], pooling: str) -> Iterator[NDArray[np.float32]]:
        """Of the encoder. `auto` is the mean of its outputs."""
        rows = cast(DescriptionCodec, trained.codec).rows(inputs)
        device = next(trained.model.parameters()).device
        return sentence_vectors(trained.model, rows, "mean" if pooling == AUTO else pooling, device)


def _translation(codec: DescriptionCodec, steps: int, hypothesis: Hypothesis) -> Translation:
    text = codec.tokenizer.decode(hypothesis.token_ids)
    if hypothesis.attention is None:
        return Translation(text, hypothesis.log_prob, hypothesis.score)
    written = [codec.tokenizer.token(i) for i in hypothesis.token_ids] + ["<eos>"] * hypothesis.ended
    read = [str(step) for step in range(1, steps + 1)]
    return Translation(text, hypothesis.log_prob, hypothesis.score, Alignment(read, written, hypothesis.attention))


tasks.register("describe")(DescribeTask())
