"""Multi-task learning of a tagger: other annotations of the same words, predicted in training only."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.data.labels import UNSEEN
from seqloom.nn.matrix_product import Linear
from seqloom.storage.tensors import model_tensors


class AuxiliaryTags(nn.Module):
    """A softmax over the labels of each auxiliary column, on the outputs that the tags are predicted from: what the
    columns teach the shared layers helps the tags (hard parameter sharing, Caruana 1997; for taggers Collobert et al.
    2011, section 5, and Søgaard and Goldberg 2016)."""

    def __init__(self, input_size: int, num_labels: Sequence[int], weight: float) -> None:
        """`num_labels`: of each column. `weight`: of the loss of each column."""
        super().__init__()
        self.weight = weight
        self.columns = nn.ModuleList(Linear(input_size, number) for number in num_labels)

    def loss(
        self, outputs: Float[Tensor, "batch time size"], labels: Int[Tensor, "batch time columns"]
    ) -> Float[Tensor, ""]:
        """-log p of the labels of all columns, times the weight, in nats, summed; `UNSEEN` ones do not count."""
        emissions = (column(outputs).flatten(0, 1) for column in self.columns)
        pairs = zip(emissions, labels.flatten(0, 1).unbind(1), strict=True)
        losses = [F.cross_entropy(scores, ids, ignore_index=UNSEEN, reduction="sum") for scores, ids in pairs]
        return self.weight * sum(losses, outputs.new_zeros(()))

    @staticmethod
    def sizes(tensors: Mapping[str, Tensor], prefix: str) -> list[int]:
        """The number of labels of each column in saved tensors."""
        names = (f"{prefix}columns.{number}.bias" for number in itertools.count())
        return [len(tensors[name]) for name in itertools.takewhile(tensors.__contains__, names)]

    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """A network initialised from another begins to learn its own auxiliary columns."""
        return model_tensors(self)
