"""The task `tag`: a tag for every word, or for every step of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.example import Frames
from seqloom.data.labels import UNSEEN
from seqloom.data.readers.tagged import inputs_of, tagged
from seqloom.data.readers.tagged_steps import holds_steps, tagged_steps, untagged_steps
from seqloom.data.span_tags import legal_transitions
from seqloom.data.tag_file import Tagged
from seqloom.data.tag_recipe import TaggedExample, raw_file, tag_recipe
from seqloom.data.tagged import TagCodec, TaggedFile
from seqloom.data.tagged_frames import FrameTagCodec, TaggedFrames
from seqloom.data.tagged_loader import BesideRawText, TaggedLoader
from seqloom.data.tokenizer import SPECIALS
from seqloom.decoding.sentence_vectors import vectors_in_batches
from seqloom.decoding.tagging import StepTags, TaggedWords, tag_rows
from seqloom.errors import RequestError, unknown_name
from seqloom.formats.vector_sources import open_vectors
from seqloom.metrics.classification import Diagnosis
from seqloom.metrics.example_scores import ExampleScores
from seqloom.models.encoded_sequence import EncodedSequence
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.models.tagger import FrameTagger, SequenceTagger, Tagger, rebuild_tagger
from seqloom.models.word_vectors.pretrained import initialise_embedding
from seqloom.nn.layer import State, layers
from seqloom.registry import Description
from seqloom.runtime import cache_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import LossMetric, ShownExample, Trained, TrainedModel, refuse_unknown
from seqloom.tasks.kind_of_data import check_kind_of_data
from seqloom.tasks.network_task import Loss
from seqloom.tasks.tag_answers import element_batch, sequences_of, tagged_sentences, tagged_steps_of
from seqloom.tasks.tag_ensemble import tag_ensemble
from seqloom.tasks.tag_inputs import Input, known_tags, words_of
from seqloom.tasks.tag_scores import diagnosis, runs_of_tags, scores_by_sequence, tag_scores, tagged_rows
from seqloom.tasks.tag_settings import OF_NUMBERS, OF_WORDS, WINDOW, TagSettings, preset_of, settings_of
from seqloom.tasks.task import Score
from seqloom_portable.spans import mark_spans

_RECENT_WORDS = 4096
"""The words whose vectors online tagging remembers: the characters of a word take more time than the rest of a step."""


class TagTask:
    """A tag for every word or step, scored by accuracy, and by span F1 if the tags mark spans."""

    name = "tag"
    description = "Predict a tag for every word of a sentence, or for every step of numbers."
    default_model = "bilstm"
    loss_metric = LossMetric("nats_per_token")

    def models(self) -> Sequence[str]:
        """Every layer."""
        return list(layers)

    def baselines(self, data: str) -> Sequence[str]:
        """A window of a few steps for sequences of numbers; there is none for sentences."""
        return [WINDOW] if holds_steps(data) else []

    def describe(self, model: str) -> Description:
        return layers.describe(model)

    def settings(self, model: str) -> type[TagSettings]:
        if model not in self.models():
            raise unknown_name("model", model, self.models())
        return settings_of(model)

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
        return preset_of(model, "words", overrides)

    def preset_for(self, model: str, overrides: Mapping[str, Any], data: str) -> Mapping[str, Any]:
        columns = str(overrides.get("data.columns", ""))
        of_numbers = holds_steps(data, columns)
        check_kind_of_data(overrides, OF_WORDS, OF_NUMBERS, of_numbers, data)
        return preset_of(model, "numbers" if of_numbers else "words", overrides)

    def recipe(self, settings: TagSettings) -> Recipe[TaggedExample, Tagged]:
        data = settings.data
        target, columns, auxiliary, features = data.target, data.columns, data.auxiliary, data.features

        def read(path: str) -> Iterator[TaggedExample]:
            if holds_steps(path, columns):
                return tagged_steps(path, columns)
            return tagged(path, target, columns, auxiliary, features)

        return tag_recipe(read, settings.vocabulary, (target, columns, auxiliary), data.raw, features)

    def build(self, corpus: Corpus[TaggedExample, Tagged], model: str, settings: TagSettings) -> SequenceTagger:
        codec, train = cast(TagCodec | FrameTagCodec, corpus.codec), corpus.train
        names = codec.labels.names
        is_crf = settings.output == "crf" or (settings.output == "auto" and mark_spans(names))
        legal = legal_transitions(names, train.transitions()) if is_crf else None
        if isinstance(codec, FrameTagCodec):
            return FrameTagger(layers[model], settings, codec.frames.channels, legal, len(names))
        counts = cast(TaggedFile, train).word_counts(len(codec.spelling.words))
        if settings.data.raw:
            counts = counts + _raw(settings, codec).word_counts(len(counts))
        auxiliary = [len(labels) for labels in codec.auxiliary]
        characters, predicts_words = len(codec.spelling.characters), settings.language_model_weight > 0
        network = Tagger(layers[model], settings, counts, characters, legal, len(names), auxiliary, predicts_words)
        words = (*SPECIALS, *codec.spelling.words.tokens)
        if settings.words.from_:
            initialise_embedding(network.forms.words, words, open_vectors(settings.words.from_), "words.from")
        return network

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: TagSettings) -> SequenceTagger:
        return rebuild_tagger(layers[model], settings, tensors)

    def train_loader(self, corpus: Corpus[TaggedExample, Tagged], settings: TagSettings, seed: int) -> Loader:
        train = corpus.train
        if isinstance(train, TaggedFrames):
            train = train.in_pieces(settings.data.longest_piece)
        loader = TaggedLoader(train, settings.data.tokens_per_batch, seed)
        if not settings.data.raw:
            return loader
        raw = _raw(settings, cast(TagCodec, corpus.codec))
        return BesideRawText(loader, TaggedLoader(raw, settings.data.tokens_per_batch, seed))

    def exact_loader(self, data: Tagged, settings: TagSettings) -> Loader:
        return TaggedLoader(data, settings.data.tokens_per_batch, seed=None)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        """The loss; tags that are not in the training data do not count."""
        known, mask = batch.targets != UNSEEN, batch.mask()
        known = known if mask is None else known & mask
        if model.training and isinstance(model, Tagger) and model.has_more_to_learn:
            total = model.multi_task_loss(batch, known)
        else:
            total = model.loss(batch.inputs, batch.forms, batch.targets, known, batch.lengths)
        return Loss(total, known.sum()), state

    def score(self, data: Tagged) -> Score:
        return Score("span_f1" if mark_spans(data.labels.names) else "accuracy", lower_is_better=False)

    def metrics(self, total: Loss, data: Tagged) -> dict[str, float]:
        elements, sequences = ("steps", "sequences") if isinstance(data, TaggedFrames) else ("tokens", "sentences")
        nats = float(total.sum) / max(int(total.count), 1)
        return {"nats_per_token": nats, elements: len(data), sequences: data.num_lines}

    def output_metrics(self, trained: Trained, data: Tagged, brief: bool) -> dict[str, float]:  # noqa: ARG002
        return tag_scores(data, np.concatenate([tags for tags, _ in tagged_rows(trained, data)]))

    def example_scores(self, trained: Trained, data: Tagged) -> ExampleScores:
        """By sequence: the number of right tags, or the numbers of right, expected and predicted spans."""
        return scores_by_sequence(data, (tags for tags, _ in tagged_rows(trained, data)))

    def show_examples(self, trained: Trained, data: Tagged, numbers: Sequence[int]) -> list[ShownExample]:
        """Words with their tags: `Paris/B-LOC`; or steps, those with one tag together: `1-30/walk`."""
        answers = tag_rows(trained.model.eval(), data.rows(numbers), data.batch, trained.device)
        shown = []
        for number, (tags, _) in zip(numbers, answers, strict=True):
            both = ([data.names[i] for i in ids] for ids in (data.tag_ids(number), tags))
            if isinstance(data, TaggedFile):
                words = data.sentence(number).words
                expected, answer = (" ".join(f"{w}/{t}" for w, t in zip(words, row, strict=True)) for row in both)
                shown.append(ShownExample(" ".join(words), expected, answer))
            else:
                expected, answer = map(runs_of_tags, both)
                shown.append(ShownExample(f"sequence {number + 1}, {len(tags)} steps", expected, answer))
        return shown

    def inputs(self, path: str, settings: TagSettings) -> Iterator[Input | Frames]:
        """The words of each sentence of a CoNLL or CoNLL-U file, or of each line of a text; or the sequences of a file
        of numbers. Tags are ignored, but with a column `known`, each word has its known tag or None."""
        columns, features = settings.data.columns, settings.data.features
        return untagged_steps(path, columns) if holds_steps(path, columns) else inputs_of(path, columns, features)

    def predict(
        self, trained: Trained, inputs: Sequence[Input | Frames], options: Mapping[str, Any]
    ) -> Iterator[Sequence[TaggedWords | StepTags]]:
        """One answer for each sequence, empty without words. Known tags stay, and the others are the most probable ones
        given them. With the option `proba`, the text includes probabilities."""
        refuse_unknown(options, ["n_best", "proba"], self.name)
        if options.get("n_best", 1) != 1:
            raise RequestError("a sentence has one answer", where="n_best", got=options["n_best"], expected=1)
        proba = bool(options.get("proba"))
        # Errors are raised now, not when the first answer is fetched.
        if isinstance(trained.codec, FrameTagCodec):
            return tagged_steps_of(trained, trained.codec.rows(inputs), proba)
        sentences = [words_of(sentence) for sentence in cast(Sequence[Input], inputs)]
        known = known_tags(cast(Sequence[Input], inputs), cast(TagCodec, trained.codec).labels.names)
        return tagged_sentences(trained, sentences, known, proba)

    def ensemble(self, members: Sequence[Trained]) -> Trained:
        return tag_ensemble(members)

    def online(self, trained: Trained) -> Callable[[str], str]:
        """A function that takes the words of sentences one by one, or the numbers of one step, separated by commas or
        whitespace; an empty element begins another sequence. With a CRF, the previous tag restricts the next one."""
        model: SequenceTagger = trained.model
        codec, device = cast(TagCodec | FrameTagCodec, trained.codec), trained.device
        if not model.encoder.layer.causal:
            raise RequestError(
                "the model needs the whole sentence", hint="train a model that reads forward only, such as lstm"
            )
        state: State | None = None
        before: int | None = None

        @lru_cache(maxsize=_RECENT_WORDS)
        @torch.no_grad()
        def vector(element: str) -> Tensor:
            batch = element_batch(element, codec).to(device)
            return model.vectors(batch.inputs, batch.forms)

        def answer(element: str) -> str:
            nonlocal state, before
            if not element:
                before = state = None
                return ""
            before, state = model.tag_next(vector(element), state, before)
            return codec.labels.names[before]

        return answer

    def embed(self, trained: Trained, inputs: Sequence[Input | Frames], pooling: str) -> Iterator[NDArray[np.float32]]:
        """By default, the mean of the layer's outputs; zeros for a line without words."""
        check_pooling(pooling)
        rows, batch_of, known = sequences_of(trained, inputs)
        model, device = trained.model, trained.device

        def read(places: list[int]) -> EncodedSequence:
            batch = batch_of([rows[place] for place in places]).to(device)
            return model.reading(batch.inputs, batch.forms, batch.lengths)

        return vectors_in_batches(read, [len(row) for row in rows], known, "mean" if pooling == AUTO else pooling)

    def diagnose(self, trained: Trained, data: Tagged) -> Diagnosis:
        """The classes are the types of spans, if tags mark spans; otherwise the tags."""
        return diagnosis(data, list(tagged_rows(trained, data)))


def _raw(settings: TagSettings, codec: TagCodec) -> TaggedFile:
    """The sentences without tags that are learnt from too."""
    return raw_file(settings.data.raw, codec, cache_folder(), settings.data.features)


tasks.register("tag")(TagTask())
