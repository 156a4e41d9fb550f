"""The random numbers that dropout draws on a device, as a state that is saved."""

from __future__ import annotations

import torch
from torch import Tensor


def generator_state(device: str) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.startswith("cuda") else torch.get_rng_state()


def set_generator_state(device: str, state: Tensor) -> None:
    if len(state) != len(generator_state(device)):
        return  # saved on another kind of device, where no resuming could be exact
    if device.startswith("cuda"):
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
