"""A context in which a network is in evaluation mode, without dropout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Sets evaluation mode, and afterwards the mode that the network was in."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
