"""The base of all classifiers, neural or not: class probabilities, loss, and temperature scaling."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class ClassLogits(NamedTuple):
    """`logits`: (batch, classes). `attention`: (batch, source), the attention weights of a model that pools by
    attention."""

    logits: Tensor
    attention: Tensor | None = None


class ClassModel(nn.Module):
    """p(class | source) = softmax(logits / temperature).

    `class_weights`: (classes,), the weight of each class in the training loss. The temperature is 1 until it is fitted,
    after training (Guo et al. 2017, section 4.2).
    """

    def __init__(self, class_weights: Float[Tensor, " classes"], label_smoothing: float) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.class_weights: Tensor
        self.temperature: Tensor
        self.register_buffer("class_weights", class_weights)
        self.register_buffer("temperature", torch.ones(()))

    @abstractmethod
    def forward(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> ClassLogits: ...

    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """The weights of the classes are those in the new data."""
        return {"class_weights": self.class_weights}

    def data_sizes(self) -> dict[str, int]:
        return {"classes": len(self.class_weights)}

    def loss(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None,
        class_ids: Int[Tensor, " batch"],
        scored: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """The cross-entropy, in nats, summed over the rows where `scored` is True; in training with class weights and
        label smoothing."""
        logits = self(source, lengths).logits / self.temperature
        if scored is not None:
            logits, class_ids = logits[scored], class_ids[scored]
        if not self.training:
            return F.cross_entropy(logits, class_ids, reduction="sum")
        nats = F.cross_entropy(logits, class_ids, reduction="none", label_smoothing=self.label_smoothing)
        return (nats * self.class_weights[class_ids]).sum()

    @torch.no_grad()
    def log_probs(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> ClassLogits:
        """The same as `forward`, but the logits are log p(class | source), in nats."""
        outputs = self(source, lengths)
        return outputs._replace(logits=torch.log_softmax(outputs.logits.float() / self.temperature, dim=1))
