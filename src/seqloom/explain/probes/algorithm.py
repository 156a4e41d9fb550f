"""Contexts of generated examples: what a model makes of a step given the last k steps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.data.synthetic import SyntheticData
from seqloom.decoding.batching import padded_source
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import (
    EXAMPLES,
    LONGEST,
    Attributable,
    EndLoss,
    NetworkProbe,
    copies,
    example_number,
    longest_first,
    spread,
)
from seqloom.models.bit_predictor import BitPredictor
from seqloom.tasks.capabilities import Trained


class StepContexts(NetworkProbe):
    """Of scored steps of examples. Cut, an example keeps the last k steps up to and with the scored one."""

    unit: ClassVar[str] = "steps"
    score: str = "nats per step"
    smallest = 1
    reads_bits: ClassVar[bool] = True

    def __init__(self, trained: Trained, data: SyntheticData) -> None:
        self.network: BitPredictor = trained.model
        self.device, self.data = self.network.sizes.device, data
        examples = [data.examples[i] for i in spread(len(data.examples), EXAMPLES)]
        self.contexts: list[NDArray[np.float32]] = []
        targets = []
        for number, example in enumerate(examples):
            scored = np.flatnonzero(example.scored)
            step = int(scored[number % len(scored)])
            self.contexts.append(np.asarray(example.inputs[max(0, step + 1 - LONGEST) : step + 1], np.float32))
            targets.append(example.targets[step])
        self.targets = torch.from_numpy(np.array(targets, np.float32))
        self.longest = max(map(len, self.contexts))

    @torch.no_grad()
    def losses(self, context: int) -> NDArray[np.float64]:
        cut = [inputs[-max(context, 1) :] for inputs in self.contexts]
        nats = _nats_of_end(self.network, cut, self.targets, self.device)[0]
        return nats.double().numpy(force=True)

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:  # noqa: ARG002
        order = longest_first(self.contexts)
        rows = [self.contexts[i] for i in order]
        nats, lengths = _nats_of_end(network, rows, self.targets[torch.from_numpy(order)], self.device)
        return EndLoss(nats.sum(), {"": lengths})

    def example(self, number: int | None, text: str | None) -> Attributable:
        """The first bit of the last scored step of an example."""
        if text is not None:
            raise RequestError("examples are numbers, not text", where="--text", expected="--example N")
        example = self.data.examples[example_number(number, len(self.data.examples))]
        step = int(np.flatnonzero(example.scored)[-1])
        inputs = torch.from_numpy(np.asarray(example.inputs[: step + 1], np.float32))[None].to(self.device)

        def score(network: nn.Module, rows: int) -> Tensor:
            return F.logsigmoid(network(copies(inputs, rows, network), None)[:, -1, 0])

        return self.attributable([str(i) for i in range(1, step + 2)], "log p(first bit = 1)", score)


def _nats_of_end(
    network: Any, rows: list[NDArray[np.float32]], targets: Tensor, device: torch.device
) -> tuple[Tensor, NDArray[np.int64]]:
    """(rows,) the loss of the last step of each, and the lengths."""
    inputs, lengths = padded_source(rows)
    logits = network(inputs.to(device), lengths.to(device))
    last = logits[torch.arange(len(rows), device=device), (lengths - 1).to(device)].float()
    nats = F.binary_cross_entropy_with_logits(last, targets.to(device), reduction="none").sum(1)
    return nats, lengths.numpy()
