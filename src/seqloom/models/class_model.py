"""The base of all classifiers, neural or not: the loss and the answers of their logits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqloom.models.target_outputs import HasTarget, TargetOutput


class ClassLogits(NamedTuple):
    """`logits`: (batch, size of the target output). `attention`: (batch, source), the attention weights of a model that
    pools by attention."""

    logits: Tensor
    attention: Tensor | None = None


class ClassModel(HasTarget):
    """A network, or a bag of words, from a source to logits. `target` says what they mean; its buffers are saved with
    the weights."""

    def __init__(self, target: TargetOutput, label_smoothing: float) -> None:
        super().__init__()
        self.target, self.label_smoothing = target, label_smoothing
        for name, tensor in target.buffers().items():
            self.register_buffer(name, tensor)

    @abstractmethod
    def forward(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> ClassLogits: ...

    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """The weights of the classes are those in the new data."""
        return {name: getattr(self, name) for name in self.target.kept_from_new_data()}

    def data_sizes(self) -> dict[str, int]:
        return self.target.data_sizes()

    def losses(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None,
        targets: Tensor,
        scored: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, " scored"]:
        """The loss of each row where `scored` is True, in nats, or squared error of a number; in training with class
        weights and label smoothing."""
        logits = self(source, lengths).logits
        if scored is not None:
            logits, targets = logits[scored], targets[scored]
        losses = self.target.training_losses if self.training else self.target.losses
        return losses(self, logits, targets)

    def loss(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None,
        targets: Tensor,
        scored: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """The sum of `losses`."""
        return self.losses(source, lengths, targets, scored).sum()

    @torch.no_grad()
    def answers(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> ClassLogits:
        """The same as `forward`, but the logits are the log-probabilities of classes or labels in nats, or the
        number."""
        outputs = self(source, lengths)
        return outputs._replace(logits=self.target.answers(self, outputs.logits))
