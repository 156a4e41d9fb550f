"""Contexts of labelled sequences: what a classifier makes of the last k elements of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.data.labelled import LabelledCodec, LabelledData
from seqloom.data.labels import UNSEEN
from seqloom.decoding.batching import padded_source
from seqloom.decoding.decision import decide
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import (
    EXAMPLES,
    Attributable,
    EndLoss,
    NetworkProbe,
    Probe,
    example_number,
    longest_first,
    spread,
)
from seqloom.models.classifier import Classifier
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.classify_settings import cut_of


class ClassifiedContexts(Probe):
    """Of examples whose label is known from training. Cut, an example keeps its last k elements."""

    score: str = "nats an example"
    smallest = 1

    def __init__(self, trained: Trained, data: LabelledData) -> None:
        self.model, self.data = trained.model, data
        self.codec: LabelledCodec = trained.codec
        self.device = next(trained.model.parameters()).device
        self.cut: Any = cut_of(trained.settings, data.codec.reads_text)
        known = np.flatnonzero(data.class_ids != UNSEEN)
        if not len(known):
            raise RequestError("no example has a label that is known from training", expected="labels of the training")
        numbers = known[spread(len(known), EXAMPLES)]
        self.class_ids = np.asarray(data.class_ids)[numbers]
        self.rows: list[NDArray[Any]] = [self.cut(np.asarray(row)) for row in data.sources.rows(numbers)]
        self.longest = max(map(len, self.rows))

    def losses(self, context: int) -> NDArray[np.float64]:
        rows: Any = [row[-max(context, 1) :] for row in self.rows]
        decided = decide(self.model, rows, self.device)
        return np.array([-float(row.log_probs[label]) for row, label in zip(decided, self.class_ids, strict=True)])


class NetworkClassifiedContexts(ClassifiedContexts, NetworkProbe):
    """The same of a network."""

    def __init__(self, trained: Trained, data: LabelledData) -> None:
        super().__init__(trained, data)
        self.network: Classifier = trained.model

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:
        """The loss of the class, read from the last output alone (from the first one, `at_start`), also where the model
        pools all outputs: through pooling, gradients reach every step at once."""
        order = longest_first(self.rows)
        source, lengths = (part.to(self.device) for part in padded_source([self.rows[i] for i in order]))
        labels = torch.from_numpy(self.class_ids[order]).to(self.device)
        logits = _logits_of_end(network, source, lengths, at_start)
        return EndLoss(F.cross_entropy(logits, labels, reduction="sum"), {"": lengths.numpy(force=True)})

    def example(self, number: int | None, text: str | None) -> Attributable:
        """The most probable class of an example, or of a text."""
        if text is not None:
            row = self.cut(self.codec.rows([text], False)[0])
        else:
            place = example_number(number, len(self.data))
            row = self.cut(np.asarray(self.data.sources.rows(np.array([place]))[0]))
        source, lengths = (part.to(self.device) for part in padded_source([row]))
        with torch.no_grad():
            label = int(self.network(source, lengths).logits.argmax())

        def score(rows: int) -> Tensor:
            logits = self.network(source.expand(rows, *source.shape[1:]), lengths.expand(rows)).logits
            return torch.log_softmax(logits, dim=1)[:, label].sum()

        return self.attributable(self.codec.shown(row), f"log p({self.codec.labels.names[label]})", score)


def _logits_of_end(network: Any, source: Tensor, lengths: Tensor, at_start: bool) -> Tensor:
    encoded = network.encoder(source, lengths)
    if network.pool == "last":
        vectors = encoded.summary
    else:
        places = torch.zeros_like(lengths) if at_start else lengths - 1
        vectors = encoded.outputs[torch.arange(len(source), device=source.device), places]
    return network.output(network.net(vectors))
