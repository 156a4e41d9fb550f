"""The task `describe`, one to many: vectors, or sequences of vectors, into text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import create_model

from seqloom.data.batches import Loader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.descriptions import DescriptionCodec, DescriptionLoader, Descriptions, description_recipe
from seqloom.data.example import Frames
from seqloom.data.readers.described import Described, described, undescribed
from seqloom.data.tokenizer import UNK, shown_token
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.sampling import Sampling, sampling_of
from seqloom.decoding.search_options import Search
from seqloom.decoding.sentence_vectors import sentence_vectors
from seqloom.decoding.token_rules import TokenRules, rules_of
from seqloom.decoding.transduce import transduce
from seqloom.decoding.translation import Translation
from seqloom.errors import RequestError
from seqloom.formats.vector_sources import open_vectors
from seqloom.models.architecture import architecture, setting_fields
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.encoder_decoder import Frames as FrameSource
from seqloom.models.pooling_names import AUTO
from seqloom.models.word_vectors.pretrained import initialise_embedding
from seqloom.nn.layer import evaluating
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Trained, refuse_unknown
from seqloom.tasks.describe_settings import RECURRENT, TRANSFORMER, DecodingSettings, DescribeSettings
from seqloom.tasks.network_task import Loss
from seqloom.tasks.transduction import DecodedTargets, TransductionTask
from seqloom_portable.targets import Hypothesis

_EXACT_EXAMPLES = 128


class DescribeTask(TransductionTask):
    """Vectors into text, scored by exact match, BLEU and token error rate."""

    name = "describe"
    description = "Write a text about a vector or a sequence of vectors: captions, names."
    default_model = "bigru+attention"

    def settings(self, model: str) -> type[DescribeSettings]:
        return create_model("DescribeSettings", __base__=DescribeSettings, **setting_fields(architecture(model)))

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        return TRANSFORMER if model == "transformer" else RECURRENT

    def recipe(self, settings: DescribeSettings) -> Recipe[Described, Descriptions]:
        columns = settings.data.columns
        recipe = description_recipe(partial(described, columns=columns), settings.tokenizer, settings.data)
        return recipe.depending_on(columns)

    def build(self, corpus: Corpus[Described, Descriptions], model: str, settings: DescribeSettings) -> EncoderDecoder:
        codec = cast(DescriptionCodec, corpus.codec)
        counts = corpus.train.target.counts(codec.tokenizer.vocab_size)
        network = EncoderDecoder.build(architecture(model), settings, counts, FrameSource(codec.frames.channels))
        if settings.embedding.from_:
            vectors = open_vectors(settings.embedding.from_)
            initialise_embedding(network.embedding.table, codec.tokenizer.tokens(), vectors, "embedding.from")
        return network

    def train_loader(self, corpus: Corpus[Described, Descriptions], settings: DescribeSettings, seed: int) -> Loader:
        data = settings.data
        return DescriptionLoader(corpus.train, data.elements_per_batch, data.examples_per_batch, data.noise, seed)

    def exact_loader(self, data: Descriptions, settings: DescribeSettings) -> Loader:
        return DescriptionLoader(data, settings.data.elements_per_batch, _EXACT_EXAMPLES, 0.0, seed=None)

    def target_vocab_size(self, data: Descriptions) -> int:
        return data.codec.tokenizer.vocab_size

    def metrics(self, total: Loss, data: Descriptions) -> dict[str, float]:
        count = int(total.count)
        return {"nats_per_token": float(total.sum) / count, "tokens": count, "examples": data.num_lines}

    def decoded(self, trained: Trained, data: Descriptions, brief: bool) -> DecodedTargets:
        places = np.arange(data.num_lines)
        most = trained.settings.decoding.validation_examples
        if brief and most and len(places) > most:
            places = np.linspace(0, len(places) - 1, most).astype(np.int64)
        keys = [data.keys[place] for place in places]
        distinct = dict(zip(keys, places.tolist(), strict=True))
        answers = self._answers(trained, data.source.rows(list(distinct.values())), {"beam_size": 1} if brief else {})
        hypotheses = {key: best.text for key, (best, *_) in zip(distinct, answers, strict=True)}
        return DecodedTargets(keys, [hypotheses[key] for key in keys], [data.texts[place] for place in places])

    def inputs(self, path: str, settings: DescribeSettings) -> Iterator[Frames]:
        return undescribed(path, settings.data.columns)

    def predict(
        self, trained: Trained, inputs: Sequence[Any], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Translation]]:
        """The options are those of `Search` and, with `sample`, of `Sampling`."""
        known = {option.name for option in (*fields(Search), *fields(Sampling), *fields(TokenRules))}
        known -= {"sampling", "rules", "never", "min_ratio", "max_ratio"}
        refuse_unknown(options, known | {"sample"}, self.name)
        return self._answers(trained, _rows(trained.codec, inputs), options)

    def _answers(
        self, trained: Trained, rows: Sequence[Frames], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Translation]]:
        settings, codec, options = trained.settings.decoding, cast(DescriptionCodec, trained.codec), dict(options)
        options["sampling"] = sampling_of(options)
        options["rules"] = rules_of(options)
        beam_size = options.pop("beam_size", max(settings.beam_size, options.get("n_best", 1)))
        as_set_up = {"length_penalty": settings.length_penalty, "max_length": longest_text(codec, settings),
                     "never": (UNK,)}  # fmt: skip
        search = Search(beam_size, **{**as_set_up, **options})
        device = trained.device
        with evaluating(trained.model):
            for row, hypotheses in zip(rows, transduce(trained.model, rows, search, device=device), strict=True):
                yield [_translation(codec, len(row), hypothesis) for hypothesis in hypotheses]

    def embed(self, trained: Trained, inputs: Sequence[Any], pooling: str) -> Iterator[NDArray[np.float32]]:
        """Of the encoder. `auto` is the mean of its outputs."""
        rows = _rows(trained.codec, inputs)
        device = trained.device
        return sentence_vectors(trained.model, rows, "mean" if pooling == AUTO else pooling, device)


def longest_text(codec: DescriptionCodec, settings: DecodingSettings) -> int:
    """The tokens at which a text is truncated: those of the settings, or half more than the longest text had that was
    learned from."""
    return settings.max_length or codec.longest + codec.longest // 2 + 2


def _rows(codec: DescriptionCodec, inputs: Sequence[Any]) -> list[Frames]:
    """What the network reads of the inputs. Raises RequestError for one that is no vector and no sequence of them."""
    rows: list[Frames] = []
    for number, vector in enumerate(inputs, 1):
        try:
            rows += codec.rows([vector])
        except (TypeError, ValueError):
            expected = "(channels,) or (steps, channels) numbers"
            raise RequestError(
                "an input is no vector", where=f"input {number}", got=type(vector).__name__, expected=expected
            ) from None
    return rows


def _translation(codec: DescriptionCodec, steps: int, hypothesis: Hypothesis) -> Translation:
    text = codec.tokenizer.decode(hypothesis.token_ids)
    if hypothesis.attention is None:
        return Translation(text, hypothesis.log_prob, hypothesis.score)
    written = [shown_token(codec.tokenizer, i) for i in hypothesis.token_ids] + ["<eos>"] * hypothesis.ended
    read = [str(step) for step in range(1, steps + 1)]
    return Translation(text, hypothesis.log_prob, hypothesis.score, Alignment(read, written, hypothesis.attention))


tasks.register("describe")(DescribeTask())
