"""Language modelling: text in, a model that predicts the next token out; scored by perplexity and bits per byte."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import create_model
from torch import Tensor

from seqloom.config import Settings
from seqloom.data.batches import Batch, ExactStreamLoader, Loader, PhasedLoader, StreamLoader
from seqloom.data.corpus import Corpus, Recipe
from seqloom.data.input_checks import check_texts
from seqloom.data.line_batches import LineLoader
from seqloom.data.noise import NoisedLoader
from seqloom.data.readers.lines import input_lines, lines
from seqloom.data.sampling_settings import subword_samplers
from seqloom.data.text_codec import TextCodec, text_recipe
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SOS, UNK
from seqloom.decoding.continuation import Continuation, continue_text
from seqloom.decoding.in_order import log_probs_in_order, scores_in_order
from seqloom.decoding.line_scores import LineScores, TokenScore
from seqloom.decoding.scoring import known_nats, named_scores, score_lines, score_tokens_of_lines, token_nats
from seqloom.decoding.sentence_vectors import sentence_vectors
from seqloom.errors import RequestError, unknown_name
from seqloom.formats.vector_sources import open_vectors
from seqloom.metrics.example_scores import ExampleScores
from seqloom.models.adaptation import Adaptation, Adaptive
from seqloom.models.adaptive_language_model import AdaptiveLanguageModel
from seqloom.models.adaptive_mixture import AdaptiveMixture, adaptive
from seqloom.models.counted import CountBased
from seqloom.models.language_model import LanguageModel
from seqloom.models.mixture import MixtureSettings
from seqloom.models.ngram.model import NgramModel
from seqloom.models.pooling_names import AUTO
from seqloom.models.word_vectors.pretrained import initialise_embedding
from seqloom.nn.layer import State, layers
from seqloom.registry import Description
from seqloom.storage.tensors import load_model_tensors, read_tensors
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import LossMetric, ShownExample, Steps, Trained, TrainedModel
from seqloom.tasks.counted_language_models import (
    COUNTED,
    counted_preset,
    counted_settings,
    make_counted,
    merged_recipe,
    mixture_recipe,
    open_part,
)
from seqloom.tasks.language_model_settings import (
    CLEAN_EPOCHS,
    PRESETS,
    DataSettings,
    LanguageModelSettings,
    network_preset,
)
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score

TextCorpus = Corpus[str, TokenFile]


_FEWEST_LINES, _MOST_LINES, _PASSAGES = 20, 2_000, 100
"""The smallest number of lines that count as examples; and the number of passages into which other texts are cut."""


class LanguageModelTask:
    """Predicts the next token of a text, scored by perplexity, bits per byte and bits per token."""

    name = "language-model"
    description = "Predict the next token of a text, score texts and generate new ones."
    default_model = "lstm"
    loss_metric = LossMetric("bits_per_token", math.log(2))

    def models(self) -> Sequence[str]:
        return sorted([*PRESETS, *COUNTED])

    def baselines(self, data: str) -> Sequence[str]:  # noqa: ARG002
        return ["ngram"]

    def describe(self, model: str) -> Description:
        return Description.of(COUNTED[model]) if model in COUNTED else layers.describe(model)

    def settings(self, model: str) -> type[Settings]:
        if model not in self.models():
            raise unknown_name("model", model, self.models())
        if model in COUNTED:
            return counted_settings(model, DataSettings)
        model_settings = layers[model].settings
        return create_model(
            "LanguageModelSettings", __base__=LanguageModelSettings, model=(model_settings, model_settings())
        )

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
        if model in COUNTED:
            return counted_preset(model, overrides)
        return network_preset(model, overrides)

    def recipe(self, settings: LanguageModelSettings) -> Recipe[str, TokenFile]:
        if isinstance(settings.model, MixtureSettings):
            return mixture_recipe(settings)
        columns = settings.data.columns
        recipe = text_recipe(partial(lines, columns=columns), settings.tokenizer).depending_on(columns)
        merge = getattr(settings.model, "merge", "")
        return merged_recipe(recipe, merge) if merge else recipe

    def fitted(self, model: str, settings: Any) -> CountBased | None:
        if model not in COUNTED:
            return None
        return make_counted(model, settings, lambda folder: open_part(folder, self.settings, self._load))

    def _load(self, folder: Path, model: str, settings: Settings) -> TrainedModel:
        """The network in a run's folder, ready for use on the CPU."""
        network: Any = self.fitted(model, settings)
        if network is not None:
            network.open(folder)
            return network
        tensors = read_tensors(folder / "model.safetensors")
        network = self.rebuild(tensors, model, cast(LanguageModelSettings, settings))
        load_model_tensors(network, tensors, folder)
        return network.eval()

    def build(self, corpus: TextCorpus, model: str, settings: LanguageModelSettings) -> LanguageModel:
        codec = cast(TextCodec, corpus.codec)
        network = _build(model, settings, corpus.train.counts(codec.tokenizer.vocab_size))
        if settings.embedding.from_:
            vectors = open_vectors(settings.embedding.from_)
            initialise_embedding(network.embedding.table, codec.tokenizer.tokens(), vectors, "embedding.from")
        return network

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: LanguageModelSettings) -> LanguageModel:
        return _build(model, settings, tensors["token_counts"].numpy())

    def train_loader(self, corpus: TextCorpus, settings: LanguageModelSettings, seed: int) -> Loader:
        data, tokenizer = settings.data, cast(TextCodec, corpus.codec).tokenizer
        loader: Loader
        if data.mode == "lines":
            (resample,) = subword_samplers((tokenizer,), data, seed)
            loader = LineLoader(corpus.train, data.tokens_per_batch, seed, resample)
        else:
            loader = StreamLoader(corpus.train, data.batch_size, data.horizon, seed, data.advance)
        if not data.noise:
            return loader
        noised = NoisedLoader(loader, corpus.train, data.noise, seed, tokenizer.vocab_size)
        return PhasedLoader(loader, noised, CLEAN_EPOCHS)

    def exact_loader(self, data: TokenFile, settings: LanguageModelSettings) -> LineLoader | ExactStreamLoader:
        options = settings.data
        if options.mode == "lines":
            return LineLoader(data, options.tokens_per_batch, seed=None)
        return ExactStreamLoader(data, batch_size=2 * options.batch_size, horizon=max(options.horizon, 64))

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
        """The loss of a batch, and the state after its first `carry` steps, through which gradients flow to the
        rest."""
        if not carry:
            return self.loss(model, batch._replace(carry=None), state)[0], state
        first, carried = self.loss(model, batch.steps(0, carry), state)
        second, _ = self.loss(model, batch.steps(carry, batch.inputs.shape[1]), carried)
        return Loss(first.sum + second.sum, first.count + second.count), carried

    def steps(self, trained: Trained, batch: Batch, row: int) -> Steps:
        """The tokens of the inputs."""
        tokenizer = cast(TextCodec, trained.codec).tokenizer
        return Steps([tokenizer.token(i) for i in batch.inputs[row].tolist()], [])

    def score(self, data: TokenFile) -> Score:  # noqa: ARG002
        return Score("perplexity", lower_is_better=True)

    def metrics(self, total: Loss, data: TokenFile) -> dict[str, float]:
        nats, count = float(total.sum), int(total.count)
        return {
            "perplexity": math.exp(min(nats / count, 700.0)),
            "bits_per_token": nats / count / math.log(2),
            "bits_per_byte": nats / data.num_bytes / math.log(2),
            "tokens": count,
            "unknown": data.num_unknown,
        }

    def output_metrics(self, trained: Trained, data: TokenFile, brief: bool) -> dict[str, float]:
        """The perplexity over the known words; unknown words are read but not counted."""
        if brief:
            return {}
        nats, count = known_nats(trained.model, self.exact_loader(data, trained.settings))
        return {"perplexity_excluding_unknown": math.exp(min(nats / count, 700.0)) if count else math.nan}

    def example_scores(self, trained: Trained, data: TokenFile) -> ExampleScores:
        """By line; in a long text by passages of consecutive lines, since neighbouring lines are similar."""
        nats = token_nats(trained.model, self.exact_loader(data, trained.settings), len(data))
        starts, unit = _passages(data)
        tokens = np.diff(starts, append=len(data))
        return ExampleScores("perplexity", unit, np.column_stack([np.add.reduceat(nats, starts), tokens]))

    def show_examples(self, trained: Trained, data: TokenFile, numbers: Sequence[int]) -> list[ShownExample]:
        """The text of lines or passages; a language model has no answer."""
        starts, _ = _passages(data)
        ends = np.append(starts[1:], len(data))
        tokenizer = cast(TextCodec, trained.codec).tokenizer
        texts = (tokenizer.decode(data.read(int(starts[i]), int(ends[i])).tolist()) for i in numbers)
        return [ShownExample(text, "", "") for text in texts]

    def examples(self, path: str, settings: LanguageModelSettings) -> Iterator[str]:
        return input_lines(path, settings.data.columns)

    def score_examples(self, trained: Trained, examples: Sequence[str]) -> LineScores:
        """The log-probability of each line by itself, in nats."""
        check_texts(examples)
        if isinstance(trained.model, NgramModel):
            ids, offsets = trained.codec.tokenizer.encode_lines(examples)
            return LineScores(*trained.model.line_scores(ids, offsets))
        lines = trained.codec.tokenizer.encode(examples)
        first_input = self.first_input(trained.settings)
        if isinstance(trained.model, Adaptive):
            by_line = scores_in_order(trained.model, lines, first_input)
            totals = np.array([of_line.sum() for of_line in by_line])
            unknown = np.array([sum(token == UNK for token in line) for line in lines], np.int64)
            return LineScores(totals, np.array([len(of_line) for of_line in by_line], np.int64), unknown)
        return score_lines(trained.model, lines, first_input)

    def score_tokens(self, trained: Trained, examples: Sequence[str]) -> list[list[TokenScore]]:
        """The log-probability of each token of each line, in nats."""
        check_texts(examples)
        tokenizer = trained.codec.tokenizer
        lines = tokenizer.encode(examples)
        by_line = scores_in_order if isinstance(trained.model, Adaptive) else score_tokens_of_lines
        scores = by_line(trained.model, lines, self.first_input(trained.settings))
        return [named_scores(tokenizer, line, of_line) for line, of_line in zip(lines, scores, strict=True)]

    def adapted(self, trained: Trained, adaptation: Adaptation) -> Trained:
        return trained._replace(model=adaptive(trained.model, adaptation))

    def measure_in_order(self, adapted: Trained, data: TokenFile) -> dict[str, float]:
        nats = -log_probs_in_order(adapted.model, data.ids, data.offsets, self.first_input(adapted.settings))
        known = nats[np.asarray(data.ids) != UNK]
        total = Loss(torch.tensor(nats.sum()), torch.tensor(len(nats)))
        without_unknown = math.exp(min(known.mean(), 700.0)) if len(known) else math.nan
        return self.metrics(total, data) | {"perplexity_excluding_unknown": without_unknown}

    def generate(self, trained: Trained, prompt: str, options: Continuation) -> Iterator[str]:
        first = self.first_input(trained.settings)
        return continue_text(trained.model, trained.codec.tokenizer, prompt, first, options)

    def inputs(self, path: str, settings: LanguageModelSettings) -> Iterator[str]:
        return self.examples(path, settings)

    def embed(self, trained: Trained, inputs: Sequence[str], pooling: str) -> Iterator[NDArray[np.float32]]:
        """`auto` is the mean of the token embeddings, which for most models represents the meaning better than the
        outputs, which are trained to predict the next token (LOG.md)."""
        if isinstance(trained.model, CountBased | AdaptiveMixture):
            raise RequestError("a count-based model has no vectors", where="embed", expected="a run of a network")
        check_texts(inputs)
        model = trained.model.model if isinstance(trained.model, AdaptiveLanguageModel) else trained.model
        first, device = self.first_input(trained.settings), next(model.parameters()).device
        rows = [[first, *ids] for ids in trained.codec.tokenizer.encode(inputs)]
        return sentence_vectors(model, rows, "word-mean" if pooling == AUTO else pooling, device)

    def first_input(self, settings: LanguageModelSettings) -> int:
        """The id that precedes a text: `<sos>` before a line, and in a stream the `<eos>` of the previous line."""
        return SOS if settings.data.mode == "lines" else EOS


def _passages(data: TokenFile) -> tuple[NDArray[np.int64], str]:
    """Where the examples of a text begin, by token, and the name of such an example."""
    lines = data.offsets[:-1][np.diff(data.offsets) > 0]
    if len(lines) < _FEWEST_LINES:  # one long line, or a few
        return np.unique(np.linspace(0, len(data), _PASSAGES, endpoint=False).astype(np.int64)), "passage"
    if len(lines) <= _MOST_LINES:
        return lines, "line"
    return lines[np.linspace(0, len(lines), _MOST_LINES, endpoint=False).astype(np.int64)], "passage"


def _build(model: str, settings: LanguageModelSettings, counts: NDArray[np.int64]) -> LanguageModel:
    return LanguageModel.build(layers[model], settings.model, settings.embedding, settings.output, counts)


tasks.register("language-model")(LanguageModelTask())
