"""The models of the task `classify`, built from its data: networks, with pretrained embeddings or not, and `bow`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.corpus import Corpus
from seqloom.data.example import Labelled
from seqloom.data.labelled import ExtraVocabulary, LabelledCodec, LabelledData
from seqloom.data.targets import LabelSets, Numbers
from seqloom.data.token_file import TokenFile
from seqloom.errors import RequestError
from seqloom.formats.vector_sources import open_vectors
from seqloom.models.bag_of_words import BagOfWords
from seqloom.models.class_model import ClassModel
from seqloom.models.classifier import Classifier, layout
from seqloom.models.encoder_decoder import Frames, Tokens
from seqloom.models.target_outputs import ClassOutput, LabelSetOutput, NumberOutput, TargetOutput
from seqloom.models.word_vectors.two_channel_embedding import PretrainedTokens
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.tasks.classify_settings import BOW, ClassifySettings, chunk_size_of


def build(corpus: Corpus[Labelled, LabelledData], model: str, settings: ClassifySettings) -> ClassModel:
    """A network before training, or a bag of words with its n-grams and their weights."""
    codec, train = cast(LabelledCodec, corpus.codec), corpus.train
    target = _output(train, settings)
    if model == BOW:
        return _bag(train, target, settings)
    chunk_size = chunk_size_of(settings, codec.reads_text)
    return Classifier.build(layout(model), cast(Any, settings), _source(train, settings), target, chunk_size)


def rebuild(tensors: Mapping[str, Tensor], model: str, settings: ClassifySettings) -> ClassModel:
    """An untrained model with the sizes of the saved `tensors`."""
    if model == BOW:
        return BagOfWords.rebuild(cast(Any, settings).model, tensors)
    chunk_size = chunk_size_of(settings, text="encoder.read.0.weight" not in tensors)
    return Classifier.rebuild(layout(model), cast(Any, settings), tensors, chunk_size)


def _output(train: LabelledData, settings: ClassifySettings) -> TargetOutput:
    """What the logits mean, by the kind of the targets."""
    targets = train.codec.targets
    if isinstance(targets, Numbers):
        return NumberOutput(targets.mean, targets.scale)
    kind = settings.data.class_weights
    if isinstance(targets, LabelSets):
        return LabelSetOutput(label_weights(train.targets.numbers, len(targets.labels), len(train), kind))
    return ClassOutput(class_weights(train.class_ids, len(targets.labels), kind))


def _bag(train: LabelledData, target: TargetOutput, settings: ClassifySettings) -> BagOfWords:
    if not isinstance(train.sources, TokenFile) or train.codec.tokenizer is None:
        raise RequestError(
            "there are no words in sequences of numbers", got=BOW, expected="ffnn, transformer or a recurrent model"
        )
    model_settings, vocab_size = cast(Any, settings).model, train.codec.tokenizer.vocab_size
    return BagOfWords.learn(
        train.sources.ids, train.sources.offsets, _groups(train), vocab_size, target, model_settings
    )


def _groups(train: LabelledData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the texts and their classes or labels; of numbers, whether they are above the median."""
    texts, ids = train.targets.memberships()
    if train.codec.targets.kind == "number":
        return texts, (ids > np.median(ids)).astype(np.int64)
    return texts, ids


def _vectors_source(settings: ClassifySettings) -> str:
    """The run or the file of pretrained vectors; empty if there is none, or the model has no embedding."""
    embedding = getattr(settings, "embedding", None)
    return "" if embedding is None else cast(EmbeddingSettings, embedding).from_


def vocabulary_of_vectors(settings: ClassifySettings) -> ExtraVocabulary | None:
    """The words with pretrained vectors, most frequent first; None without pretrained vectors."""
    source = _vectors_source(settings)
    if not source:
        return None
    path = Path(source)
    file = path / "model.safetensors" if path.is_dir() else path
    mark = f"{file.resolve()} {file.stat().st_size} {file.stat().st_mtime_ns}" if file.exists() else source

    def read() -> Sequence[str]:
        vectors = open_vectors(source)
        return [vectors.words[place] for place in vectors.frequent().tolist()]

    return ExtraVocabulary(mark, read)


def _source(train: LabelledData, settings: ClassifySettings) -> Tokens | PretrainedTokens | Frames:
    tokenizer, vectors = train.codec.tokenizer, _vectors_source(settings)
    if tokenizer is None:
        return Frames(train.codec.channels)
    if not vectors:
        return Tokens(tokenizer.vocab_size)
    counts = cast(TokenFile, train.sources).counts(tokenizer.vocab_size)
    return PretrainedTokens.of(tokenizer.tokens(), counts, open_vectors(vectors), "embedding.from")


def class_weights(class_ids: NDArray[np.int64], classes: int, kind: str) -> Tensor:
    """(classes,): weights with mean 1 over the examples."""
    if kind == "none":
        return torch.ones(classes)
    counts = np.bincount(class_ids, minlength=classes)
    return torch.from_numpy(counts.sum() / (classes * counts)).float()


def label_weights(label_ids: NDArray[np.int64], labels: int, examples: int, kind: str) -> Tensor:
    """(labels,): the weight of the examples that have a label, with which they count as much as those without it."""
    if kind == "none":
        return torch.ones(labels)
    counts = np.bincount(label_ids, minlength=labels)
    return torch.from_numpy((examples - counts) / np.maximum(counts, 1)).float()
