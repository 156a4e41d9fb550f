"""What the logits of a classifier mean: probabilities of classes, independent probabilities of labels, or a number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.data.targets import TargetKind
from seqloom.models.log_probabilities import log_mean, log_odds


class HasTarget(nn.Module):
    """A model with the buffers of its target output; those of other outputs it does not have."""

    label_smoothing: float
    class_weights: Tensor
    temperature: Tensor
    thresholds: Tensor
    target_mean: Tensor
    target_scale: Tensor


class TargetOutput(ABC):
    """One of the ways to predict from the logits of a classifier, whose buffers it names and reads."""

    kind: ClassVar[TargetKind]

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of logits."""

    @abstractmethod
    def buffers(self) -> dict[str, Tensor]:
        """What the model saves beside its weights, as it is before training."""

    @abstractmethod
    def losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        """The loss of each row, in nats or, for numbers, as squared error; `targets`: see `Targets.batch`."""

    @abstractmethod
    def training_losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        """The same with weights and smoothing."""

    @abstractmethod
    def answers(self, model: HasTarget, logits: Tensor) -> Float[Tensor, "batch size"]:
        """The log-probability of each class or label, in nats; or the number."""

    @abstractmethod
    def logits_of_mean(
        self, model: HasTarget, answers: Float[Tensor, "members batch size"]
    ) -> Float[Tensor, "batch size"]:
        """The logits of which `answers` makes the mean of the probabilities, or of the numbers, of several models."""

    def kept_from_new_data(self) -> tuple[str, ...]:
        """The buffers that a model initialised from another run computes anew."""
        return ("class_weights",)

    def data_sizes(self) -> dict[str, int]:
        return {"classes": self.size}


@dataclass(frozen=True)
class ClassOutput(TargetOutput):
    """p(class | source) = softmax(logits / temperature). `class_weights`: (classes,), the weight of each class in the
    training loss. The temperature is 1 until it is fitted, after training (Guo et al. 2017, section 4.2)."""

    kind = "class"
    class_weights: Tensor

    @property
    def size(self) -> int:
        return len(self.class_weights)

    def buffers(self) -> dict[str, Tensor]:
        return {"class_weights": self.class_weights, "temperature": torch.ones(())}

    def losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        return F.cross_entropy(logits / model.temperature, targets, reduction="none")

    def training_losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        nats = F.cross_entropy(
            logits / model.temperature, targets, reduction="none", label_smoothing=model.label_smoothing
        )
        return nats * model.class_weights[targets]

    def answers(self, model: HasTarget, logits: Tensor) -> Float[Tensor, "batch size"]:
        return torch.log_softmax(logits.float() / model.temperature, dim=1)

    def logits_of_mean(
        self, model: HasTarget, answers: Float[Tensor, "members batch size"]
    ) -> Float[Tensor, "batch size"]:
        return log_mean(answers) * model.temperature


@dataclass(frozen=True)
class LabelSetOutput(TargetOutput):
    """p(label | source) = sigmoid(logit / temperature) for each label by itself. A label is predicted if its
    probability is above its threshold. Temperature and thresholds are fitted after training. `class_weights`:
    (labels,), the weight of the examples that have a label in the training loss."""

    kind = "labels"
    class_weights: Tensor

    @property
    def size(self) -> int:
        return len(self.class_weights)

    def buffers(self) -> dict[str, Tensor]:
        thresholds = torch.full((self.size,), 0.5)
        return {"class_weights": self.class_weights, "temperature": torch.ones(()), "thresholds": thresholds}

    def losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        scaled = logits / model.temperature
        return F.binary_cross_entropy_with_logits(scaled, targets.to(logits), reduction="none").sum(1)

    def training_losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        smooth = model.label_smoothing
        smoothed = targets.to(logits) * (1 - smooth) + smooth / 2
        nats = F.binary_cross_entropy_with_logits(
            logits / model.temperature, smoothed, reduction="none", pos_weight=model.class_weights
        )
        return nats.sum(1)

    def answers(self, model: HasTarget, logits: Tensor) -> Float[Tensor, "batch size"]:
        return F.logsigmoid(logits.float() / model.temperature)

    def logits_of_mean(
        self, model: HasTarget, answers: Float[Tensor, "members batch size"]
    ) -> Float[Tensor, "batch size"]:
        return log_odds(log_mean(answers)) * model.temperature

    def kept_from_new_data(self) -> tuple[str, ...]:
        return ("class_weights", "thresholds")


@dataclass(frozen=True)
class NumberOutput(TargetOutput):
    """A number: mean + scale * logit, with the mean and the standard deviation of the training data. The loss is the
    squared error divided by the variance of the training data."""

    kind = "number"
    mean: float = 0.0
    scale: float = 1.0

    @property
    def size(self) -> int:
        return 1

    def buffers(self) -> dict[str, Tensor]:
        return {"target_mean": torch.tensor(self.mean), "target_scale": torch.tensor(self.scale)}

    def losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        return (logits[:, 0] - (targets - model.target_mean) / model.target_scale).square()

    def training_losses(self, model: HasTarget, logits: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        return self.losses(model, logits, targets)

    def answers(self, model: HasTarget, logits: Tensor) -> Float[Tensor, "batch size"]:
        return model.target_mean + model.target_scale * logits.float()

    def logits_of_mean(
        self, model: HasTarget, answers: Float[Tensor, "members batch size"]
    ) -> Float[Tensor, "batch size"]:
        return (answers.mean(0) - model.target_mean) / model.target_scale

    def kept_from_new_data(self) -> tuple[str, ...]:
        return ()

    def data_sizes(self) -> dict[str, int]:
        return {}


def saved_output(tensors: Mapping[str, Tensor]) -> TargetOutput:
    """The output of the model whose tensors were saved, with its sizes."""
    if "target_scale" in tensors:
        return NumberOutput()
    weights = torch.ones_like(tensors["class_weights"])
    return LabelSetOutput(weights) if "thresholds" in tensors else ClassOutput(weights)
