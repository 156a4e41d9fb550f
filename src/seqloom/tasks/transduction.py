"""What tasks that generate a target given a source share: models, loss, scores, settings of a search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from seqloom.config import Settings
from seqloom.data.batches import Batch
from seqloom.decoding.ensemble import Ensemble
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.transduction import bleu_statistics, nearest_references, signatures, transduction_scores
from seqloom.models.architecture import EncoderDecoderSettings, architecture, architectures, describe_architecture
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.nn.layer import State
from seqloom.nn.output import FEW_TOKENS
from seqloom.registry import Description
from seqloom.tasks.capabilities import LossMetric, Trained, TrainedModel
from seqloom.tasks.ensembles import check_shared_codec
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score


class SearchSettings(Settings):
    beam_size: int = Field(5, gt=0, le=10_000, description="hypotheses for each source; 1 is greedy")
    length_penalty: float = Field(
        1.0, ge=0, le=10, description="hypotheses are ranked by log-probability / length to this power"
    )


class DecodedTargets(NamedTuple):
    """A hypothesis and a reference for each example. `sources`: equal for equal sources, which share a hypothesis.
    `tokens` splits a target into the units of the token error rate."""

    sources: list[str]
    hypotheses: list[str]
    references: list[str]
    tokens: Callable[[str], Sequence[str]] = str.split


class TransductionTask(ABC):
    """Generates a target given a source; scored by exact match or BLEU, chrF and token error rate."""

    loss_metric = LossMetric("nats_per_token")

    @abstractmethod
    def decoded(self, trained: Trained, data: Any, brief: bool) -> DecodedTargets:
        """The targets of `data` as the settings say; if `brief`, by greedy search for part of it."""

    @abstractmethod
    def target_vocab_size(self, data: Any) -> int: ...

    def models(self) -> Sequence[str]:
        return sorted(architectures())

    def describe(self, model: str) -> Description:
        return describe_architecture(architecture(model))

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: EncoderDecoderSettings) -> EncoderDecoder:
        return EncoderDecoder.rebuild(architecture(model), settings, tensors)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        mask = batch.mask()
        total = model.loss(batch.source, batch.source_lengths, batch.inputs, batch.targets, batch.lengths, mask)
        return Loss(total, torch.tensor(batch.targets.numel()) if mask is None else mask.sum()), state

    def ensemble(self, members: Sequence[Trained]) -> Trained:
        check_shared_codec(members, "tokenizers")
        return members[0]._replace(model=Ensemble([member.model for member in members]).eval())

    def score(self, data: Any) -> Score:
        is_text = self.target_vocab_size(data) > FEW_TOKENS
        return Score("bleu" if is_text else "exact_match", lower_is_better=False)

    def output_metrics(self, trained: Trained, data: Any, brief: bool) -> dict[str, Any]:
        scores = transduction_scores(*self.decoded(trained, data, brief))
        return scores if brief else scores | {f"{name}_signature": s for name, s in signatures().items()}

    def example_scores(self, trained: Trained, data: Any) -> ExampleScores:
        """By distinct source: all examples of a source share their hypothesis."""
        sources, hypotheses, references, tokens = self.decoded(trained, data, brief=False)
        if self.score(data).name == "exact_match":
            nearest = nearest_references(sources, hypotheses, references, tokens)
            return ExampleScores("ratio", "source", np.array([[not item.edits, 1] for item in nearest], np.float64))
        numbers = {source: number for number, source in enumerate(dict.fromkeys(sources))}
        sums = np.zeros((len(numbers), 10))
        np.add.at(sums, [numbers[source] for source in sources], bleu_statistics(hypotheses, references))
        return ExampleScores("bleu", "source", sums)
