"""What an update does with gradients: clipping, the learning rate, and a step of AdamW or of SGD with momentum.

A step of all parameters is one kernel of torch. The classes of `torch.optim`, which call the same kernels, import the
compiler of torch when the first of them is made, which takes longer than importing torch itself.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqloom.training.settings import TrainingSettings

_EPSILON = 1e-8


@dataclass(frozen=True)
class Group:
    """Parameters with the same weight decay."""

    parameters: Sequence[nn.Parameter]
    weight_decay: float


class Optimizer(ABC):
    """`step()` changes each parameter that has a gradient, at the rate `learning_rate`."""

    def __init__(self, groups: Sequence[Group], learning_rate: float) -> None:
        self.groups, self.learning_rate = groups, learning_rate
        self._number = {p: number for number, p in enumerate(p for group in groups for p in group.parameters)}
        self._state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        for group in self.groups:
            parameters = [p for p in group.parameters if p.grad is not None]
            for parameter in parameters:
                if parameter not in self._state:
                    self._state[parameter] = self._initial_state(parameter)
            if parameters:
                self._update(parameters, [p.grad for p in parameters if p.grad is not None], group.weight_decay)

    def zero_grad(self) -> None:
        """Removes all gradients."""
        for parameter in self._number:
            parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """The state, on the CPU: `N.name` is that of the Nth parameter of all groups."""
        return {
            f"{self._number[parameter]}.{name}": tensor.cpu()
            for parameter, state in self._state.items()
            for name, tensor in state.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Loads what `tensors` gave. Raises ValueError if it belongs to other parameters, KeyError to another
        optimizer."""
        parameters = list(self._number)
        loaded: dict[nn.Parameter, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            number, name = key.split(".", 1)
            if int(number) >= len(parameters):
                raise ValueError(f"the optimizer's {key} belongs to no parameter: there are {len(parameters)}")
            parameter = parameters[int(number)]
            if tensor.numel() > 1 and tensor.shape != parameter.shape:
                raise ValueError(f"the optimizer's {key} has a different shape than its parameter")
            loaded.setdefault(parameter, {})[name] = tensor.to(parameter.device, copy=True)
        for parameter, state in loaded.items():
            expected = self._initial_state(parameter).keys()
            if state.keys() != expected:
                raise KeyError(f"the optimizer's state has {sorted(state)}, not {sorted(expected)}")
        self._state = loaded

    def _of(self, name: str, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
        return [self._state[parameter][name] for parameter in parameters]

    @abstractmethod
    def _initial_state(self, parameter: nn.Parameter) -> dict[str, Tensor]: ...

    @abstractmethod
    def _update(self, parameters: Sequence[nn.Parameter], gradients: list[Tensor], weight_decay: float) -> None: ...


class AdamW(Optimizer):
    """Loshchilov and Hutter 2019, algorithm 2, with the averages of Kingma and Ba 2015."""

    def __init__(self, groups: Sequence[Group], learning_rate: float, beta1: float = 0.9, beta2: float = 0.999) -> None:
        super().__init__(groups, learning_rate)
        self.beta1, self.beta2 = beta1, beta2

    def _initial_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        averages = {name: torch.zeros_like(parameter, requires_grad=False) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": torch.zeros((), dtype=torch.float32, device=parameter.device), **averages}

    def _update(self, parameters: Sequence[nn.Parameter], gradients: list[Tensor], weight_decay: float) -> None:
        steps = self._of("step", parameters)
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            list(parameters), gradients, self._of("exp_avg", parameters), self._of("exp_avg_sq", parameters), [], steps,
            amsgrad=False, lr=self.learning_rate, beta1=self.beta1, beta2=self.beta2, weight_decay=weight_decay,
            eps=_EPSILON, maximize=False,
        )  # fmt: skip


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013, in the form of torch: the velocity is the sum
    of gradients, each multiplied by the rate of its use)."""

    def __init__(self, groups: Sequence[Group], learning_rate: float, momentum: float) -> None:
        super().__init__(groups, learning_rate)
        self.momentum = momentum

    def _initial_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(parameter, requires_grad=False)} if self.momentum else {}

    def _update(self, parameters: Sequence[nn.Parameter], gradients: list[Tensor], weight_decay: float) -> None:
        velocities = self._of("momentum_buffer", parameters) if self.momentum else []
        torch._fused_sgd_(
            list(parameters), gradients, velocities, weight_decay=weight_decay, momentum=self.momentum,
            lr=self.learning_rate, dampening=0.0, nesterov=False, maximize=False, is_first_step=False,
        )  # fmt: skip


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Matrices decay; vectors and learned initial states do not."""
    return parameter.dim() > 1 and not name.endswith("start")


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> Optimizer:
    """Of the parameters that are trained; those that decay come first."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in named if decays(name, parameter)]
    others = [parameter for name, parameter in named if not decays(name, parameter)]
    groups = [Group(decayed, settings.weight_decay), Group(others, 0.0)]
    if settings.optimizer == "sgd":
        return SGD(groups, settings.learning_rate, settings.beta1)
    return AdamW(groups, settings.learning_rate, settings.beta1, settings.beta2)


def rate_factor(fraction: float, settings: TrainingSettings) -> float:
    """The learning rate divided by its highest value at `fraction` of the budget: a linear rise, then a fall to 0.

    wsd: warm-up, stable, decay (Hu et al. 2024, section 4), with a linear decay."""
    fraction = min(max(fraction, 0.0), 1.0)
    if fraction < settings.warmup:
        return fraction / settings.warmup
    left = (fraction - settings.warmup) / (1 - settings.warmup)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * left))
    if settings.schedule == "wsd":
        return min(1.0, (1 - fraction) / settings.decay)
    return 1 - left if settings.schedule == "linear" else 1.0


def scale_and_clip(parameters: Sequence[Tensor], scale: float, clip_norm: float) -> float:
    """Multiplies the gradients by `scale`, then clips them to norm `clip_norm`; returns the norm before clipping."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch._foreach_norm(gradients)
    norm = float(torch.linalg.vector_norm(torch.stack([n.float() for n in norms]))) * scale
    factor = scale * min(1.0, clip_norm / (norm + 1e-12)) if clip_norm else scale
    if factor != 1.0:
        torch._foreach_mul_(gradients, factor)
    return norm
