"""The task `tag`: a tag for every word. Parts of speech, chunks, named entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.labels import UNSEEN
from seqloom.data.lexicon import Lexicon, Numbering
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged import inputs_of, tagged
from seqloom.data.sentence_loader import SentenceLoader, sentence_batch
from seqloom.data.span_tags import legal_transitions
from seqloom.data.tagged import TagCodec, TaggedFile, tag_recipe
from seqloom.data.tokenizer import SPECIALS
from seqloom.decoding.sentence_vectors import vectors_in_batches
from seqloom.decoding.tagging import LabelIds, TaggedWords, tag_rows
from seqloom.errors import RequestError, unknown_name
from seqloom.formats.vector_sources import open_vectors
from seqloom.metrics.classification import Confusion, Diagnosis, Mistake, calibration, expected_calibration_error
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.spans import SpanScores, span_counts, span_scores
from seqloom.models.encoded_sequence import EncodedSequence
from seqloom.models.pooling_names import AUTO, check_pooling
from seqloom.models.tagger import Tagger
from seqloom.models.word_vectors.pretrained import initialise_embedding
from seqloom.nn.layer import State, evaluating, layers
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import LossMetric, ShownExample, Trained, TrainedModel, refuse_unknown
from seqloom.tasks.network_task import Loss
from seqloom.tasks.tag_inputs import Input, known_tags, words_of
from seqloom.tasks.tag_settings import TagSettings, preset_of, settings_of
from seqloom.tasks.task import Score
from seqloom_portable.spans import PREFIX, mark_spans, scheme_of, spans

_CONTEXT = 6
_MISTAKES = 50


class TagTask:
    """A tag for every word, scored by accuracy, and by span F1 if the tags mark spans."""

    name = "tag"
    description = "Predict a tag for every word: part of speech, chunk or named entity."
    default_model = "bilstm"
    loss_metric = LossMetric("nats_per_token")

    def models(self) -> Sequence[str]:
        """Every layer."""
        return list(layers)

    def describe(self, model: str) -> Description:
        return layers.describe(model)

    def settings(self, model: str) -> type[TagSettings]:
        if model not in self.models():
            raise unknown_name("model", model, self.models())
        return settings_of(model)

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        return preset_of(model)

    def recipe(self, settings: TagSettings) -> Recipe[Sentence, TaggedFile]:
        target, columns = settings.data.target, settings.data.columns
        key = (target, columns) if columns else target
        return tag_recipe(lambda path: tagged(path, target, columns), settings.vocabulary, key)

    def build(self, corpus: Corpus[Sentence, TaggedFile], model: str, settings: TagSettings) -> Tagger:
        codec, train = cast(TagCodec, corpus.codec), corpus.train
        names = codec.labels.names
        is_crf = settings.output == "crf" or (settings.output == "auto" and mark_spans(names))
        legal = legal_transitions(names, train.transitions()) if is_crf else None
        counts = train.word_counts(len(codec.spelling.words))
        network = Tagger(layers[model], settings, counts, len(codec.spelling.characters), legal, len(names))
        words = (*SPECIALS, *codec.spelling.words.tokens)
        if settings.words.from_:
            initialise_embedding(network.forms.words, words, open_vectors(settings.words.from_), "words.from")
        return network

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: TagSettings) -> Tagger:
        return Tagger.rebuild(layers[model], settings, tensors)

    def train_loader(self, corpus: Corpus[Sentence, TaggedFile], settings: TagSettings, seed: int) -> Loader:
        return SentenceLoader(corpus.train, settings.data.tokens_per_batch, seed)

    def exact_loader(self, data: TaggedFile, settings: TagSettings) -> Loader:
        return SentenceLoader(data, settings.data.tokens_per_batch, seed=None)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        """The loss; tags that are not in the training data do not count."""
        known, mask = batch.targets != UNSEEN, batch.mask()
        known = known if mask is None else known & mask
        total = model.loss(batch.inputs, batch.forms, batch.targets, known, batch.lengths)
        return Loss(total, known.sum()), state

    def score(self, data: TaggedFile) -> Score:
        return Score("span_f1" if mark_spans(data.labels.names) else "accuracy", lower_is_better=False)

    def metrics(self, total: Loss, data: TaggedFile) -> dict[str, float]:
        return {
            "nats_per_token": float(total.sum) / max(int(total.count), 1),
            "tokens": len(data),
            "sentences": data.num_lines,
        }

    def output_metrics(self, trained: Trained, data: TaggedFile, brief: bool) -> dict[str, float]:  # noqa: ARG002
        predicted = np.concatenate([tags for tags, _ in _tagged(trained, data)])
        scores = {"accuracy": float((predicted == data.tags).mean())}
        return scores | _plain(_span_scores(data, predicted)) if mark_spans(data.labels.names) else scores

    def example_scores(self, trained: Trained, data: TaggedFile) -> ExampleScores:
        """By sentence: the number of right tags, or the numbers of right, expected and predicted spans."""
        rows: list[tuple[int, ...]] = []
        scheme = scheme_of(data.labels.names)
        for number, (tags, _) in enumerate(_tagged(trained, data)):
            expected = data.tags[data.starts[number] : data.starts[number + 1]]
            if scheme is not None:
                rows.append(span_counts([data.names[i] for i in expected], [data.names[i] for i in tags], scheme))
            else:
                rows.append((int((tags == expected).sum()), len(expected)))
        metric = "ratio" if scheme is None else "f1"
        return ExampleScores(metric, "sentence", np.array(rows, dtype=np.float64))

    def show_examples(self, trained: Trained, data: TaggedFile, numbers: Sequence[int]) -> list[ShownExample]:
        """Words with their tags: `Paris/B-LOC`."""
        rows = data.rows(numbers)
        answers = tag_rows(trained.model.eval(), rows, data.lexicon, trained.device)
        shown = []
        for number, row, (tags, _) in zip(numbers, rows, answers, strict=True):
            words = [data.forms[word] for word in row]
            expected = data.tags[data.starts[number] : data.starts[number + 1]]
            tagged = (
                " ".join(f"{w}/{data.names[t]}" for w, t in zip(words, ids, strict=True)) for ids in (expected, tags)
            )
            shown.append(ShownExample(" ".join(words), *tagged))
        return shown

    def inputs(self, path: str, settings: TagSettings) -> Iterator[Input]:
        """The words of each sentence of a CoNLL or CoNLL-U file, or of each line of a text. Tags are ignored, but with
        a column `known`, each word has its known tag or None."""
        return inputs_of(path, settings.data.columns)

    def predict(
        self, trained: Trained, inputs: Sequence[Input], options: Mapping[str, Any]
    ) -> Iterator[Sequence[TaggedWords]]:
        """One answer for each sentence, empty without words. Known tags stay, and the others are the most probable ones
        given them. With the option `proba`, the text includes probabilities."""
        refuse_unknown(options, ["n_best", "proba"], self.name)
        if options.get("n_best", 1) != 1:
            raise RequestError("a sentence has one answer", where="n_best", got=options["n_best"], expected=1)
        # Errors are raised now, not when the first answer is fetched.
        sentences = [words_of(sentence) for sentence in inputs]
        known = known_tags(inputs, cast(TagCodec, trained.codec).labels.names)
        return _answered(trained, sentences, known, bool(options.get("proba")))

    def online(self, trained: Trained) -> Callable[[str], str]:
        """A function that takes the words of a sentence one by one; with a CRF, the previous tag restricts the next
        one."""
        model: Tagger = trained.model
        codec, device = cast(TagCodec, trained.codec), trained.device
        if not model.encoder.layer.causal:
            raise RequestError(
                "the model needs the whole sentence", hint="train a model that reads forward only, such as lstm"
            )
        state: State | None = None
        before: int | None = None

        def answer(word: str) -> str:
            nonlocal state, before
            batch = sentence_batch([np.zeros(1, np.int64)], Lexicon.of([word], codec.spelling)).to(device)
            assert batch.forms is not None
            before, state = model.tag_next(batch.forms, state, before)
            return codec.labels.names[before]

        return answer

    def embed(self, trained: Trained, inputs: Sequence[Input], pooling: str) -> Iterator[NDArray[np.float32]]:
        """By default, the mean of the layer's outputs; zeros for a line without words."""
        check_pooling(pooling)
        rows, lexicon = _numbered([words_of(sentence) or ("",) for sentence in inputs], trained)
        model, device = trained.model, trained.device

        def read(places: list[int]) -> EncodedSequence:
            batch = sentence_batch([rows[place] for place in places], lexicon).to(device)
            return model.reading(batch.inputs, batch.forms, batch.lengths)

        known = [bool(words_of(sentence)) for sentence in inputs]
        return vectors_in_batches(read, [len(row) for row in rows], known, "mean" if pooling == AUTO else pooling)

    def diagnose(self, trained: Trained, data: TaggedFile) -> Diagnosis:
        """The classes are the types of spans, if tags mark spans; otherwise the tags."""
        answers = list(_tagged(trained, data))
        predicted, probabilities = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        names = np.array(data.names, dtype=object)
        confusion = Confusion.of(list(names[data.tags]), list(names[predicted]))
        right = predicted == data.tags
        bins = calibration(probabilities.tolist(), right.tolist())
        scores = {"accuracy": float(right.mean()), "expected_calibration_error": expected_calibration_error(bins)}
        classes = confusion.classes()
        if mark_spans(data.labels.names):
            by_span = _span_scores(data, predicted)
            scores, classes = scores | _plain(by_span), by_span.kinds
        wrong = np.flatnonzero(~right)
        surest = wrong[np.argsort(-probabilities[wrong], kind="stable")][:_MISTAKES]
        mistakes = [
            _mistake(data, int(place), str(names[predicted[place]]), float(probabilities[place])) for place in surest
        ]
        return Diagnosis(scores, classes, confusion, mistakes, bins)


def _answered(
    trained: Trained, sentences: Sequence[tuple[str, ...]], known: Sequence[LabelIds | None], proba: bool
) -> Iterator[Sequence[TaggedWords]]:
    names = cast(TagCodec, trained.codec).labels.names
    scheme = scheme_of(names)
    rows, lexicon = _numbered(sentences, trained)
    nonempty = [place for place, row in enumerate(rows) if len(row)]
    known_of_rows = (known[place] for place in nonempty)
    tagged = tag_rows(trained.model, (rows[place] for place in nonempty), lexicon, trained.device, known_of_rows)
    for words in sentences:
        ids, probabilities = next(tagged) if words else (np.zeros(0, np.int64), np.zeros(0, np.float32))
        tags = [names[i] for i in ids]
        yield [
            TaggedWords(words, tags, probabilities.tolist(), spans(tags, scheme) if scheme is not None else None, proba)
        ]


def _numbered(sentences: Sequence[Sequence[str]], trained: Trained) -> tuple[list[NDArray[np.int64]], Lexicon]:
    """The sentences as indices of their distinct words."""
    numbering = Numbering()
    rows = [np.array(numbering.of(words), dtype=np.int64) for words in sentences]
    return rows, Lexicon.of(list(numbering.numbers), trained.codec.spelling)


def _tagged(trained: Trained, data: TaggedFile) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    model: Tagger = trained.model
    with evaluating(model):
        yield from tag_rows(model, data.rows(range(data.num_lines)), data.lexicon, trained.device)


def _span_scores(data: TaggedFile, predicted: NDArray[np.int64]) -> SpanScores:
    def by_sentence(ids: NDArray[Any]) -> Iterator[list[str]]:
        tags = [data.names[i] for i in ids]
        return (tags[start:stop] for start, stop in zip(data.starts[:-1], data.starts[1:], strict=True))

    return span_scores(by_sentence(data.tags), by_sentence(predicted), scheme_of(data.labels.names) or PREFIX)


def _plain(scores: SpanScores) -> dict[str, float]:
    return {"span_f1": scores.f1, "span_precision": scores.precision, "span_recall": scores.recall}


def _mistake(data: TaggedFile, place: int, predicted: str, probability: float) -> Mistake:
    """The mistake at `place` among all words, with the word in brackets among its neighbours."""
    number = int(np.searchsorted(data.starts, place, side="right")) - 1
    words, tags = data.sentence(number)
    here = place - int(data.starts[number])
    before, after = words[max(0, here - _CONTEXT) : here], words[here + 1 : here + 1 + _CONTEXT]
    return Mistake(" ".join([*before, f"[{words[here]}]", *after]), tags[here], predicted, probability)


tasks.register("tag")(TagTask())
