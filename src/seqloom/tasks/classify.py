"""One class for a whole sequence: sentiment, topics, languages, sensor clips, images as vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.example import Labelled, Source
from seqloom.data.labelled import LabelledCodec, LabelledData, labelled_recipe
from seqloom.data.labelled_loader import LabelledLoader
from seqloom.data.labels import UNSEEN
from seqloom.data.line_batches import Resample
from seqloom.data.readers.labelled import holds_numbers, labelled, unlabelled
from seqloom.data.sampling_settings import subword_samplers
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.batching import padded_source
from seqloom.decoding.decision import Decided, Decision, decide, fit_temperature
from seqloom.decoding.sentence_vectors import vectors_in_batches
from seqloom.errors import RequestError
from seqloom.metrics.classification import Confusion, Diagnosis, Mistake, calibration, expected_calibration_error
from seqloom.metrics.example_scores import ExampleScores
from seqloom.models.bag_of_words import BagOfWords
from seqloom.models.class_model import ClassModel
from seqloom.models.classifier import Classifier, describe_layout, layout, layouts
from seqloom.models.encoded_sequence import EncodedSequence
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.nn.layer import State
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import ShownExample, Trained, TrainedModel, refuse_unknown
from seqloom.tasks.classify_models import build, rebuild, vocabulary_of_vectors
from seqloom.tasks.classify_settings import BOW, ClassifySettings, cut_of, preset_of, settings_of
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score

_MISTAKES = 50
_FEWEST, _MOST = 8, 32
"""Examples in a batch by default: as few as make .."""
_UPDATES_AN_EPOCH = 20
""".. this number of updates per epoch. A few dozen examples then take as many epochs to learn as thousands."""


class ClassifyTask:
    """Classify texts or sequences of numbers: accuracy, macro F1, calibration."""

    name = "classify"
    description = "Predict the class of a text or of a sequence of numbers."
    default_model = "lstm"

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
        columns = str(overrides.get("data.columns", ""))
        return preset_of(model, "numbers") if holds_numbers(data, columns) else self.preset(model, overrides)

    def recipe(self, settings: ClassifySettings) -> Recipe[Labelled, LabelledData]:
        columns, by_steps = settings.data.columns, settings.data.vector == "steps"
        words = vocabulary_of_vectors(settings)
        recipe = labelled_recipe(partial(labelled, columns=columns), settings.tokenizer, by_steps, words)
        return recipe.depending_on(columns)

    def build(self, corpus: Corpus[Labelled, LabelledData], model: str, settings: ClassifySettings) -> ClassModel:
        return build(corpus, model, settings)

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: ClassifySettings) -> ClassModel:
        return rebuild(tensors, model, settings)

    def train_loader(self, corpus: Corpus[Labelled, LabelledData], settings: ClassifySettings, seed: int) -> Loader:
        tokenizer = cast(LabelledCodec, corpus.codec).tokenizer
        (resample,) = subword_samplers((tokenizer,), settings.data, seed)
        return _loader(corpus.train, settings, seed, resample)

    def exact_loader(self, data: LabelledData, settings: ClassifySettings) -> Loader:
        return _loader(data, settings, None)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        scored = None if batch.scored is None else batch.scored[:, 0]
        total = model.loss(batch.source, batch.source_lengths, batch.targets[:, 0], scored)
        return Loss(total, torch.tensor(batch.num_rows) if scored is None else scored.sum()), state

    def score(self, data: LabelledData) -> Score:  # noqa: ARG002
        return Score("accuracy", lower_is_better=False)

    def metrics(self, total: Loss, data: LabelledData) -> dict[str, float]:
        """The loss in nats, over the examples whose label is in the training data; absent if there are none."""
        count = int(total.count)
        nats = {"nats_per_example": float(total.sum) / count} if count else {}
        return {**nats, "examples": len(data)}

    def output_metrics(self, trained: Trained, data: LabelledData, brief: bool) -> dict[str, Any]:  # noqa: ARG002
        """Over all examples; a label that is not in the training data is never predicted, and so always wrong."""
        return _scores(trained, data, *_answers(trained, data))

    def example_scores(self, trained: Trained, data: LabelledData) -> ExampleScores:
        predicted, _ = _answers(trained, data)
        right = [label == answer for label, answer in zip(data.labels, predicted, strict=True)]
        return ExampleScores("ratio", "example", np.column_stack([right, np.ones(len(right))]).astype(np.float64))

    def show_examples(self, trained: Trained, data: LabelledData, numbers: Sequence[int]) -> list[ShownExample]:
        names = data.codec.labels.names
        answers = [names[int(decided.log_probs.argmax())] for decided in _decided(trained, data, np.array(numbers))]
        return [ShownExample(data.shown(i), data.labels[i], answer) for i, answer in zip(numbers, answers, strict=True)]

    def inputs(self, path: str, settings: ClassifySettings) -> Iterator[Source]:
        return unlabelled(path, settings.data.columns)

    def predict(
        self, trained: Trained, inputs: Sequence[Source], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Decision]]:
        """Every class, most probable first, or the first `n_best` classes; `proba` changes nothing. `attention`:
        include the attention weights."""
        refuse_unknown(options, ("n_best", "attention", "proba"), self.name)
        codec, most = cast(LabelledCodec, trained.codec), options.get("n_best")
        if most is not None and most < 1:
            raise RequestError("n_best is out of range", where="n_best", got=most, expected="1 or more")
        if options.get("proba"):
            most = None
        rows = _rows(trained, inputs)  # raises an error for a wrong input now, not with the first answer

        def answers() -> Iterator[Sequence[Decision]]:
            for row, decided in zip(rows, decide(trained.model, rows, _device(trained)), strict=True):
                source = codec.shown(row) if options.get("attention") and decided.attention is not None else None
                yield _decisions(decided, codec.labels.names, most, source)

        return answers()

    def diagnose(self, trained: Trained, data: LabelledData) -> Diagnosis:
        predicted, probabilities = _answers(trained, data)
        expected = data.labels
        confusion = Confusion.of(expected, predicted)
        wrong = [i for i in np.argsort(-probabilities, kind="stable") if predicted[i] != expected[i]]
        right = [label == prediction for label, prediction in zip(expected, predicted, strict=True)]
        return Diagnosis(
            scores=_scores(trained, data, predicted, probabilities),
            classes=confusion.classes(),
            confusion=confusion,
            mistakes=[
                Mistake(data.shown(i), expected[i], predicted[i], float(probabilities[i])) for i in wrong[:_MISTAKES]
            ],
            bins=calibration(probabilities.tolist(), right),
        )

    def calibrate(self, trained: Trained, valid: LabelledData) -> None:
        """Fits the temperature on the examples whose label is in the training data."""
        model: ClassModel = trained.model
        model.temperature.fill_(1.0)
        known = np.flatnonzero(valid.class_ids != UNSEEN)
        if not len(known):
            return
        log_probs = np.stack([decided.log_probs for decided in _decided(trained, valid, known)])
        model.temperature.fill_(fit_temperature(torch.from_numpy(log_probs), torch.from_numpy(valid.class_ids[known])))

    def embed(self, trained: Trained, inputs: Sequence[Source], pooling: str) -> Iterator[NDArray[np.float32]]:
        """`auto` is the vector that the model classifies."""
        check_pooling(pooling)
        model = trained.model
        if not isinstance(model, Classifier):
            raise RequestError("a bag of words has no vectors", where=BOW, expected="a run of another model")
        rows, device, codec = _rows(trained, inputs), _device(trained), cast(LabelledCodec, trained.codec)

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
    data: LabelledData, settings: ClassifySettings, seed: int | None, resample: Resample | None = None
) -> Loader:
    options, cut = settings.data, cut_of(settings, data.codec.reads_text)
    examples = options.examples_per_batch or min(max(len(data) // _UPDATES_AN_EPOCH, _FEWEST), _MOST)
    rows = examples if seed is not None else max(examples, _MOST)
    return LabelledLoader(data, cut, options.tokens_per_batch, rows, seed, resample)


def _device(trained: Trained) -> torch.device:
    return next(trained.model.parameters()).device


def _rows(trained: Trained, inputs: Sequence[Source]) -> list[NDArray[Any]]:
    """The input of the network for each text or sequence."""
    codec: LabelledCodec = trained.codec
    cut = cut_of(trained.settings, codec.reads_text)
    return [cut(row) for row in codec.rows(inputs, trained.settings.data.vector == "steps")]


def _decided(trained: Trained, data: LabelledData, numbers: NDArray[np.int64]) -> Iterator[Decided]:
    cut = cut_of(trained.settings, data.codec.reads_text)
    return decide(trained.model, [cut(row) for row in data.sources.rows(numbers)], _device(trained))


def _answers(trained: Trained, data: LabelledData) -> tuple[list[str], NDArray[np.float64]]:
    """The most probable label of each example, and its probability."""
    best, probabilities = [], []
    for decided in _decided(trained, data, np.arange(len(data))):
        best.append(int(decided.log_probs.argmax()))
        probabilities.append(float(np.exp(decided.log_probs.max())))
    names = data.codec.labels.names
    return [names[i] for i in best], np.array(probabilities)


def _scores(
    trained: Trained, data: LabelledData, predicted: Sequence[str], probabilities: NDArray[np.float64]
) -> dict[str, float]:
    expected = data.labels
    confusion = Confusion.of(expected, predicted)
    right = [label == prediction for label, prediction in zip(expected, predicted, strict=True)]
    return {
        "accuracy": confusion.accuracy,
        "macro_f1": confusion.macro_f1,
        "expected_calibration_error": expected_calibration_error(calibration(probabilities.tolist(), right)),
        "cut": cut_of(trained.settings, data.codec.reads_text).count(data.lengths),
    }


def _decisions(
    decided: Decided, names: Sequence[str], most: int | None, source: Sequence[str] | None
) -> list[Decision]:
    order = np.argsort(-decided.log_probs, kind="stable")[:most]
    decisions = []
    for i in order:
        score = float(decided.log_probs[i])
        alignment = None
        if source is not None and decided.attention is not None:
            alignment = Alignment(source, [names[i]], decided.attention[None])
        decisions.append(Decision(names[i], float(np.exp(score)), score, alignment))
    return decisions


tasks.register("classify")(ClassifyTask())
