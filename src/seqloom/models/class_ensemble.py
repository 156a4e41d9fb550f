"""Ensembles of classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.models.class_model import ClassLogits, ClassModel


class ClassEnsemble(ClassModel):
    """The mean of the probabilities, or of the numbers, that classifiers of the same inputs and targets predict. The
    threshold of a label is the mean of theirs."""

    def __init__(self, classifiers: Sequence[ClassModel]) -> None:
        first = classifiers[0]
        super().__init__(first.target, label_smoothing=0.0)
        self.classifiers = nn.ModuleList(classifiers)
        for name, buffer in self.named_buffers(recurse=False):
            buffer.copy_(torch.stack([getattr(classifier, name) for classifier in classifiers]).mean(0))

    def forward(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> ClassLogits:
        answers = [cast(ClassModel, classifier).answers(source, lengths) for classifier in self.classifiers]
        attentions = [each.attention for each in answers if each.attention is not None]
        attention = torch.stack(attentions).mean(0) if len(attentions) == len(answers) else None
        return ClassLogits(self.target.logits_of_mean(self, torch.stack([each.logits for each in answers])), attention)
