"""One answer for a whole sequence: a class, a set of labels or a number, of a text, a sensor clip, an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.balanced_sampling import BalancedSampling
from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.example import Labelled, Source
from seqloom.data.labelled import LabelledCodec, LabelledData, labelled_recipe
from seqloom.data.labelled_loader import LabelledLoader
from seqloom.data.line_batches import Resample
from seqloom.data.readers.labelled import holds_label_sets, holds_numbers, labelled, unlabelled
from seqloom.data.sampling_settings import subword_samplers
from seqloom.data.tables.columns import parse_columns
from seqloom.data.targets import TargetKind
from seqloom.decoding.batching import padded_source
from seqloom.decoding.decision import decide
from seqloom.decoding.sentence_vectors import vectors_in_batches
from seqloom.errors import RequestError
from seqloom.metrics.classification import Diagnosis
from seqloom.metrics.example_scores import ExampleScores
from seqloom.models.bag_of_words import BagOfWords
from seqloom.models.class_ensemble import ClassEnsemble
from seqloom.models.class_model import ClassModel
from seqloom.models.classifier import Classifier, describe_layout, layout, layouts
from seqloom.models.encoded_sequence import EncodedSequence
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.nn.layer import State
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import LossMetric, Prediction, ShownExample, Trained, TrainedModel, refuse_unknown
from seqloom.tasks.classify_answers import Answers
from seqloom.tasks.classify_classes import ClassAnswers
from seqloom.tasks.classify_label_sets import LabelSetAnswers
from seqloom.tasks.classify_models import build, rebuild, vocabulary_of_vectors
from seqloom.tasks.classify_numbers import NumberAnswers
from seqloom.tasks.classify_settings import (
    BOW,
    OF_NUMBERS,
    OF_TEXTS,
    ClassifySettings,
    check_limit,
    cut_of,
    preset_of,
    settings_of,
)
from seqloom.tasks.ensembles import check_shared_codec
from seqloom.tasks.kind_of_data import check_kind_of_data
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score

_FEWEST, _MOST = 8, 32
"""Examples in a batch by default: as few as make .."""
_UPDATES_AN_EPOCH = 20
""".. this number of updates per epoch. A few dozen examples then take as many epochs to learn as thousands."""


class ClassifyTask:
    """Classify texts or sequences of numbers; by `data.target` with one label, several, or a number instead."""

    name = "classify"
    description = "Predict the class, the labels or a number of a text or a sequence of numbers."
    default_model = "lstm"
    loss_metric = LossMetric("nats_per_example")

    def models(self) -> Sequence[str]:
        return sorted([BOW, *layouts()])

    def baselines(self, data: str) -> Sequence[str]:
        """A bag of words for texts; there is none for sequences of numbers."""
        return [] if holds_numbers(data) else [BOW]

    def describe(self, model: str) -> Description:
        return Description.of(BagOfWords) if model == BOW else describe_layout(layout(model))

    def settings(self, model: str) -> type[ClassifySettings]:
        return settings_of(model)

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
        data: Literal["characters", "text"] = "characters" if overrides.get("tokenizer.kind") == "character" else "text"
        return preset_of(model, data, with_vectors=bool(overrides.get("embedding.from")))

    def preset_for(self, model: str, overrides: Mapping[str, Any], data: str) -> Mapping[str, Any]:
        columns = parse_columns(str(overrides.get("data.columns", "")))
        of_numbers = holds_numbers(data, columns)
        check_kind_of_data(overrides, OF_TEXTS, OF_NUMBERS, of_numbers, data)
        preset = preset_of(model, "numbers") if of_numbers else self.preset(model, overrides)
        return {**preset, "data.target": "labels"} if holds_label_sets(data, columns) else preset

    def recipe(self, settings: ClassifySettings) -> Recipe[Labelled, LabelledData]:
        options = settings.data
        read = partial(labelled, columns=options.columns, target=options.target)
        recipe = labelled_recipe(
            read,
            settings.tokenizer,
            options.vector == "steps",
            vocabulary_of_vectors(settings),
            options.target,
            options.label_separator,
        )
        return recipe.depending_on(options.columns)

    def build(self, corpus: Corpus[Labelled, LabelledData], model: str, settings: ClassifySettings) -> ClassModel:
        return build(corpus, model, settings)

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: ClassifySettings) -> ClassModel:
        return rebuild(tensors, model, settings)

    def train_loader(self, corpus: Corpus[Labelled, LabelledData], settings: ClassifySettings, seed: int) -> Loader:
        tokenizer = cast(LabelledCodec, corpus.codec).tokenizer
        check_limit(settings, text=tokenizer is not None)
        (resample,) = subword_samplers((tokenizer,), settings.data, seed)
        balanced = settings.data.sampling == "balanced"
        draw = BalancedSampling(np.asarray(corpus.train.class_ids), seed) if balanced else None
        return _loader(corpus.train, settings, seed, resample, draw)

    def exact_loader(self, data: LabelledData, settings: ClassifySettings) -> Loader:
        return _loader(data, settings, None)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        scored = None if batch.scored is None else batch.scored[:, 0]
        total = model.loss(batch.source, batch.source_lengths, batch.targets[:, 0], scored)
        return Loss(total, torch.tensor(batch.num_rows) if scored is None else scored.sum()), state

    def score(self, data: LabelledData) -> Score:
        return _answers(data.codec).score

    def metrics(self, total: Loss, data: LabelledData) -> dict[str, float]:
        return _answers(data.codec).metrics(total, data)

    def output_metrics(self, trained: Trained, data: LabelledData, brief: bool) -> dict[str, Any]:
        return _answers(data.codec).output_metrics(trained, data, brief)

    def example_scores(self, trained: Trained, data: LabelledData) -> ExampleScores:
        return replace(_answers(data.codec).example_scores(trained, data), groups=data.groups)

    def show_examples(self, trained: Trained, data: LabelledData, numbers: Sequence[int]) -> list[ShownExample]:
        answers, expected = _answers(data.codec).texts(trained, data, numbers), data.labels
        return [ShownExample(data.shown(i), expected[i], answer) for i, answer in zip(numbers, answers, strict=True)]

    def inputs(self, path: str, settings: ClassifySettings) -> Iterator[Source]:
        return unlabelled(path, settings.data.columns)

    def predict(
        self, trained: Trained, inputs: Sequence[Source], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Prediction]]:
        """Classes: all, or the first `n_best`. Sets of labels: the set, or with `n_best` or `proba` the labels by
        themselves. Numbers: one. `attention`: include the attention weights."""
        refuse_unknown(options, ("n_best", "attention", "proba"), self.name)
        codec = cast(LabelledCodec, trained.codec)
        answers, n_best, proba = _answers(codec), options.get("n_best"), bool(options.get("proba"))
        answers.check_options(n_best, proba)
        rows = _rows(trained, inputs)  # raises an error for a wrong input now, not with the first answer

        def predictions() -> Iterator[Sequence[Prediction]]:
            for row, decided in zip(rows, decide(trained.model, rows, trained.device), strict=True):
                source = codec.shown(row) if options.get("attention") and decided.attention is not None else None
                yield answers.predictions(trained, decided, source, n_best, proba)

        return predictions()

    def ensemble(self, members: Sequence[Trained]) -> Trained:
        check_shared_codec(members, "tokenizers and labels")
        return members[0]._replace(model=ClassEnsemble([member.model for member in members]).eval())

    def diagnose(self, trained: Trained, data: LabelledData) -> Diagnosis:
        return _answers(data.codec).diagnose(trained, data)

    def calibrate(self, trained: Trained, valid: LabelledData) -> None:
        _answers(valid.codec).calibrate(trained, valid)

    def embed(self, trained: Trained, inputs: Sequence[Source], pooling: str) -> Iterator[NDArray[np.float32]]:
        """`auto` is the vector that the model classifies."""
        check_pooling(pooling)
        model = trained.model
        if not isinstance(model, Classifier):
            raise RequestError("a bag of words has no vectors", where=BOW, expected="a run of another model")
        rows, device, codec = _rows(trained, inputs), trained.device, cast(LabelledCodec, trained.codec)

        def read(places: list[int]) -> EncodedSequence:
            source, lengths = (part.to(device) for part in padded_source([rows[place] for place in places]))
            reading = model.reading(source, lengths)
            if pooling != AUTO:
                return reading
            return reading._replace(summary=model.pooled(model.encoder(source, lengths))[0])

        known = [codec.says_something(row) for row in rows]
        # The model's own vector replaces the summary, which is what "last" returns.
        return vectors_in_batches(read, [len(row) for row in rows], known, "last" if pooling == AUTO else pooling)


def _loader(
    data: LabelledData,
    settings: ClassifySettings,
    seed: int | None,
    resample: Resample | None = None,
    draw: BalancedSampling | None = None,
) -> Loader:
    options, cut = settings.data, cut_of(settings, data.codec.reads_text)
    examples = options.examples_per_batch or min(max(len(data) // _UPDATES_AN_EPOCH, _FEWEST), _MOST)
    rows = examples if seed is not None else max(examples, _MOST)
    return LabelledLoader(data, cut, options.tokens_per_batch, rows, seed, resample, draw)


def _rows(trained: Trained, inputs: Sequence[Source]) -> list[NDArray[Any]]:
    """The input of the network for each text or sequence."""
    codec: LabelledCodec = trained.codec
    cut = cut_of(trained.settings, codec.reads_text)
    return [cut(row) for row in codec.rows(inputs, trained.settings.data.vector == "steps")]


_ANSWERS: dict[TargetKind, Answers] = {"class": ClassAnswers(), "labels": LabelSetAnswers(), "number": NumberAnswers()}


def _answers(codec: LabelledCodec) -> Answers:
    return _ANSWERS[codec.targets.kind]


tasks.register("classify")(ClassifyTask())
