"""Contexts of labelled sequences: what a classifier makes of the last k elements of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.labelled import LabelledCodec, LabelledData
from seqloom.data.labels import UNSEEN
from seqloom.decoding.batching import padded_source, run_in_batches
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import (
    EXAMPLES,
    Attributable,
    EndLoss,
    NetworkProbe,
    Probe,
    copies,
    example_number,
    longest_first,
    spread,
)
from seqloom.models.classifier import Classifier
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.classify_settings import cut_of

_ELEMENTS_AT_ONCE = 16_000


class ClassifiedContexts(Probe):
    """Of examples whose label is known from training. Cut, an example keeps its last k elements."""

    score: str = "nats per example"
    smallest = 1

    def __init__(self, trained: Trained, data: LabelledData) -> None:
        self.model, self.data = trained.model, data
        self.codec: LabelledCodec = trained.codec
        self.device = next(trained.model.parameters()).device
        self.cut: Any = cut_of(trained.settings, data.codec.reads_text)
        kind = data.codec.targets.kind
        known = np.flatnonzero(data.class_ids != UNSEEN) if kind == "class" else np.arange(len(data))
        if not len(known):
            raise RequestError("no example has a label that is known from training", expected="labels of the training")
        numbers = known[spread(len(known), EXAMPLES)]
        self.targets = torch.from_numpy(data.codec.targets.batch(data.targets.rows(numbers)))
        if kind == "class":
            self.answers = np.asarray(data.class_ids)[numbers]
        elif kind == "number":
            self.score = "squared error per example, in variances"
        self.rows: list[NDArray[Any]] = [self.cut(np.asarray(row)) for row in data.sources.rows(numbers)]
        self.longest = max(map(len, self.rows))

    def losses(self, context: int) -> NDArray[np.float64]:
        rows = [(row[-max(context, 1) :], place) for place, row in enumerate(self.rows)]
        batches = run_in_batches(rows, lambda item: len(item[0]), _ELEMENTS_AT_ONCE, self._losses_of)
        return np.array(list(batches))

    @torch.inference_mode()
    def _losses_of(self, batch: Sequence[tuple[NDArray[Any], int]]) -> list[float]:
        source, lengths = (part.to(self.device) for part in padded_source([row for row, _ in batch]))
        targets = self.targets[[place for _, place in batch]].to(self.device)
        return self.model.losses(source, lengths, targets).tolist()


class NetworkClassifiedContexts(ClassifiedContexts, NetworkProbe):
    """The same of a network."""

    def __init__(self, trained: Trained, data: LabelledData) -> None:
        super().__init__(trained, data)
        self.network: Classifier = trained.model

    def end_loss(self, network: Any, at_start: bool = False) -> EndLoss:
        """The loss of the class, read from the last output alone (from the first one, `at_start`), also where the model
        pools all outputs: through pooling, gradients reach every step at once."""
        order = longest_first(self.rows)
        source, lengths = (part.to(self.device) for part in padded_source([self.rows[i] for i in order]))
        targets = self.targets[order].to(self.device)
        losses = network.target.losses(network, _logits_of_end(network, source, lengths, at_start), targets)
        return EndLoss(losses.sum(), {"": lengths.numpy(force=True)})

    def example(self, number: int | None, text: str | None) -> Attributable:
        """The most probable class or label of an example, or of a text; or the number."""
        if text is not None:
            row = self.cut(self.codec.rows([text], False)[0])
        else:
            place = example_number(number, len(self.data))
            row = self.cut(np.asarray(self.data.sources.rows(np.array([place]))[0]))
        source, lengths = (part.to(self.device) for part in padded_source([row]))
        with torch.no_grad():
            label = int(self.network(source, lengths).logits.argmax())

        def score(network: Any, rows: int) -> Tensor:
            logits = network(copies(source, rows, network), lengths.expand(rows)).logits
            return network.target.answers(network, logits)[:, label]

        names = self.codec.labels.names
        return self.attributable(self.codec.shown(row), f"log p({names[label]})" if names else "the number", score)


def _logits_of_end(network: Any, source: Tensor, lengths: Tensor, at_start: bool) -> Tensor:
    encoded = network.encoder(source, lengths)
    if network.pool == "last":
        vectors = encoded.summary
    else:
        places = torch.zeros_like(lengths) if at_start else lengths - 1
        vectors = encoded.outputs[torch.arange(len(source), device=source.device), places]
    return network.output(network.net(vectors))
