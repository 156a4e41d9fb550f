"""Algorithms learnt from examples: copy, repeat, recall, predict, sort (Graves et al. 2014, section 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field, create_model
from torch import Tensor
from torch.nn import functional

from seqloom.config import Settings
from seqloom.data.algorithms.algorithm import SyntheticExample
from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus
from seqloom.data.synthetic import SyntheticData, SyntheticLoader, SyntheticRecipe, SyntheticTrainLoader
from seqloom.errors import unknown_name
from seqloom.metrics.example_scores import ExampleScores
from seqloom.models.bit_predictor import BitPredictor
from seqloom.nn.layer import State, evaluating, layers
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Band, LossMetric, Steps, Trained, TrainedModel
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score

_SEQUENCES_AT_ONCE = 32


class DataSettings(Settings):
    batch_size: int = Field(1, gt=0, le=2**20, description="sequences in a batch, newly generated for each")
    held_out: int = Field(500, gt=0, le=2**20, description="sequences generated to validate, test or evaluate on")


class AlgorithmSettings(Settings):
    data: DataSettings = DataSettings()
    model: Settings


_TRAINING: dict[str, Any] = {
    "training.learning_rate": 1e-3,
    "training.weight_decay": 0.0,
    "training.clip_norm": 10.0,
    "training.precision": "float32",
    "training.schedule": "cosine",
}
_NTM: dict[str, Any] = {"training.clip_norm": 1.0}
_OFF_PLATEAUS: dict[str, Any] = {
    "training.schedule": "wsd",
    "training.beta2": 0.99,
    "training.average": 0.998,
}
"""A rate that stays high until the last third leaves plateaus with every seed; what it costs in noise, the average of
the weights takes away."""
_NTM_FOR: dict[str, dict[str, Any]] = {
    "repeat-copy": _OFF_PLATEAUS,
    "associative-recall": {"model.read_heads": 2, "model.write_heads": 2, **_OFF_PLATEAUS},
    "priority-sort": {
        "model.read_heads": 5,
        "model.write_heads": 5,
        "model.first_memory": "learned",
        **_OFF_PLATEAUS,
    },
    "dynamic-n-grams": {"data.batch_size": 16, "training.learning_rate": 3e-3},
}
"""The other settings of a Neural Turing Machine for each algorithm. Repetition, look-up and sorting keep updates of
single sequences: with four in each, and twice the learning rate, an LSTM stays on a plateau of repetition with most
seeds. With one head of each kind, one seed of five did not learn to look up. For sorting, the memory is learned: where
its locations differ from the beginning, a location can be found by a priority before anything is written there. LOG.md
has the figures."""
_RECURRENT: dict[str, Any] = {"model.hidden_size": 256, "model.num_layers": 3, "data.batch_size": 4}
_TRANSFORMER: dict[str, Any] = {"model.model_dim": 128, "model.num_layers": 4, "data.batch_size": 16}


class AlgorithmTask:
    """Learn to copy, repeat, recall, predict or sort from generated examples: bits per sequence."""

    name = "algorithm"
    description = "Learn to copy, repeat, recall, predict or sort, from generated examples."
    default_model = "ntm"
    loss_metric = LossMetric("bits_per_sequence", math.log(2))

    def models(self) -> Sequence[str]:
        """Every causal layer."""
        return [name for name in layers if layers[name].causal]

    def describe(self, model: str) -> Description:
        return layers.describe(model)

    def settings(self, model: str) -> type[AlgorithmSettings]:
        if model not in self.models():
            raise unknown_name("model", model, self.models())
        model_settings = layers[model].settings
        return create_model("AlgorithmSettings", __base__=AlgorithmSettings, model=(model_settings, model_settings()))

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        sizes = {"memory": _NTM, "transformer": _TRANSFORMER, "window": {}}
        return _TRAINING | sizes.get(layers[model].family, _RECURRENT)

    def preset_for(self, model: str, overrides: Mapping[str, Any], data: str) -> Mapping[str, Any]:
        preset = self.preset(model, overrides)
        if layers[model].family != "memory":
            return preset
        return {**preset, **_NTM_FOR.get(data.partition(":")[0], {})}

    def recipe(self, settings: AlgorithmSettings) -> SyntheticRecipe:
        return SyntheticRecipe(settings.data.held_out)

    def build(
        self, corpus: Corpus[SyntheticExample, SyntheticData], model: str, settings: AlgorithmSettings
    ) -> BitPredictor:
        algorithm = corpus.train.algorithm
        return BitPredictor(layers[model], settings.model, algorithm.input_size, algorithm.target_size)

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: AlgorithmSettings) -> BitPredictor:
        return BitPredictor.rebuild(layers[model], settings.model, tensors)

    def train_loader(
        self, corpus: Corpus[SyntheticExample, SyntheticData], settings: AlgorithmSettings, seed: int
    ) -> Loader:
        return SyntheticTrainLoader(corpus.train.algorithm, settings.data.batch_size, seed)

    def exact_loader(self, data: SyntheticData, settings: AlgorithmSettings) -> SyntheticLoader:  # noqa: ARG002
        return SyntheticLoader(data, _SEQUENCES_AT_ONCE)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        """The loss per sequence."""
        assert batch.scored is not None
        total = model.loss(batch.inputs, batch.targets, batch.scored, batch.lengths)
        return Loss(total, batch.scored.any(1).sum()), state

    def score(self, data: SyntheticData) -> Score:  # noqa: ARG002
        return Score("bits_per_sequence", lower_is_better=True)

    def metrics(self, total: Loss, data: SyntheticData) -> dict[str, float]:
        bits = float(total.sum) / math.log(2) / max(int(total.count), 1)
        return {"bits_per_sequence": bits, "sequences": len(data)}

    def output_metrics(self, trained: Trained, data: SyntheticData, brief: bool) -> dict[str, float]:  # noqa: ARG002
        """The wrong bits, the share of sequences without any, and the loss of the best predictor if it cannot be 0."""
        wrong = np.array([count for batch in _answered(self, trained, data) for count in batch])
        scores = {
            "bit_errors_per_sequence": float(wrong.mean()),
            "exact_match": float((wrong == 0).mean()),
        }
        optimal = [data.algorithm.optimal_nats(example) for example in data.examples]
        if optimal[0] is None:
            return scores
        return scores | {"optimal_bits_per_sequence": float(np.mean(cast(list[float], optimal))) / math.log(2)}

    def example_scores(self, trained: Trained, data: SyntheticData) -> ExampleScores:
        bits = [value for batch in _nats(self, trained, data) for value in (batch / math.log(2)).tolist()]
        return ExampleScores("ratio", "sequence", np.column_stack([bits, np.ones(len(bits))]))

    def steps(self, trained: Trained, batch: Batch, row: int) -> Steps:
        """The inputs, the targets and the predicted probabilities."""
        assert batch.scored is not None
        model: BitPredictor = trained.model
        with torch.no_grad():
            probabilities = model(batch.inputs[row : row + 1]).sigmoid()[0]
        scored = batch.scored[row, :, None]
        shown = {"inputs": batch.inputs[row].abs(), "targets": batch.targets[row], "outputs": probabilities * scored}
        return Steps([], [Band(name, values.t().clamp(0, 1).cpu().numpy()) for name, values in shown.items()])


def _nats(task: AlgorithmTask, trained: Trained, data: SyntheticData) -> Iterator[Tensor]:
    """The loss of each sequence of each batch, in nats."""
    model: BitPredictor = trained.model
    loader = task.exact_loader(data, trained.settings)
    with evaluating(model), torch.no_grad():
        for step in range(loader.num_steps()):
            batch = loader.batch(0, step).to(model.sizes.device)
            assert batch.scored is not None
            logits = model(batch.inputs, batch.lengths).float()
            nats = functional.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none")
            yield (nats * batch.scored[:, :, None]).double().sum((1, 2)).cpu()


def _answered(task: AlgorithmTask, trained: Trained, data: SyntheticData) -> Iterator[list[int]]:
    """The number of wrong bits of each sequence of each batch."""
    model: BitPredictor = trained.model
    loader = task.exact_loader(data, trained.settings)
    with evaluating(model), torch.no_grad():
        for step in range(loader.num_steps()):
            batch = loader.batch(0, step).to(model.sizes.device)
            assert batch.scored is not None
            wrong = (model(batch.inputs, batch.lengths) > 0) != (batch.targets > 0.5)
            yield (wrong & batch.scored[:, :, None]).sum((1, 2)).tolist()


tasks.register("algorithm")(AlgorithmTask())
