"""A language model that adapts to the text that it reads: by a neural cache, by dynamic evaluation, or by both."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.models.adaptation import Adaptation
from seqloom.models.language_model import LanguageModel
from seqloom.models.neural_cache import CacheState, NeuralCache
from seqloom.nn.layer import State, detach

SEGMENT = 20
"""Dynamic evaluation updates the weights after so many tokens."""

_STEPS_AT_ONCE = 240
"""Without dynamic evaluation, so many tokens are read at once; a multiple of `SEGMENT`."""


class AdaptiveState(NamedTuple):
    """`layer`: the model's own state; `cache`: that of the cache, or None; `last` (1, 0 or 1, width): the hidden vector
    whose next token is not known yet."""

    layer: State
    cache: CacheState | tuple[()]
    last: Tensor


class AdaptiveLanguageModel:
    """Reads one text from its beginning to its end; each token is predicted before the model adapts to it.

    Dynamic evaluation (Mikolov et al. 2010; Krause et al. 2018): after each `SEGMENT` tokens, which are scored first,
    a step of gradient descent on them. The weights of the given model stay as they are. `initial_state` begins a new
    text with the trained weights and an empty cache; the calls after it must follow the text. Generated text fills
    the cache but changes no weights.
    """

    def __init__(self, model: LanguageModel, adaptation: Adaptation) -> None:
        self.model, self.learning_rate = model, adaptation.learning_rate
        if adaptation.learning_rate:
            self.model = copy.deepcopy(model).requires_grad_()
        self.model.eval()
        self.cache = NeuralCache(adaptation.cache) if adaptation.cache else None
        self._trained = [p.detach().clone() for p in self.model.parameters()] if adaptation.learning_rate else []

    def initial_state(self, batch_size: int) -> AdaptiveState:
        assert batch_size == 1, "an adaptive model reads one text"
        with torch.no_grad():
            for parameter, trained in zip(self.model.parameters(), self._trained, strict=False):
                parameter.copy_(trained)
            none = self.model(torch.zeros((1, 1), dtype=torch.long, device=self._device()))[0][:, :0]
        cache = self.cache.initial_state(none) if self.cache is not None else ()
        return AdaptiveState(detach(self.model.initial_state(1)), cache, none)

    def next_text(self, state: AdaptiveState) -> AdaptiveState:
        """The state before the next text: what was adapted to stays, the hidden state is the initial one."""
        return AdaptiveState(detach(self.model.initial_state(1)), state.cache, state.last[:, :0])

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.model.parameters()

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def log_prob(
        self,
        token_ids: Int[Tensor, "1 time"],
        targets: Int[Tensor, "1 time"],
        state: AdaptiveState,
        lengths: Int[Tensor, " 1"] | None = None,
    ) -> tuple[Float[Tensor, "1 time"], AdaptiveState]:
        """As in `PredictsNext`; `lengths` is not used, since one text has no padding. The last segment may be shorter
        than the others."""
        del lengths
        state = self._settle(token_ids, state)
        steps = SEGMENT if self.learning_rate else _STEPS_AT_ONCE
        scores = []
        for first in range(0, token_ids.shape[1], steps):
            part = slice(first, first + steps)
            log_probs, state = self._read(token_ids[:, part], targets[:, part], state, bool(self.learning_rate))
            scores.append(log_probs)
        return torch.cat(scores, dim=1), state

    def _read(
        self, token_ids: Tensor, targets: Tensor, state: AdaptiveState, learns: bool
    ) -> tuple[Float[Tensor, "1 time"], AdaptiveState]:
        """Scores the targets of a segment, and then adapts to them; the weights only if it `learns`."""
        with torch.inference_mode(False), torch.set_grad_enabled(learns):
            hidden, layer = self.model(token_ids.clone(), state.layer)
            log_probs = self.model.output.softmax.log_prob(hidden[0], targets[0])
            if learns:
                self._update(self.model.output.softmax.loss(hidden[0], targets[0].clone()) / targets.shape[1])
        cache = state.cache
        if self.cache is not None:
            assert isinstance(cache, CacheState)
            log_probs, cache = self.cache.log_prob(hidden[0].detach(), targets[0], log_probs, cache)
        return log_probs[None], AdaptiveState(detach(layer), cache, hidden[:, :0].detach())

    def _update(self, loss: Tensor) -> None:
        """One step of gradient descent."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.sub_(gradient, alpha=self.learning_rate)

    @torch.no_grad()
    def _settle(self, token_ids: Tensor, state: AdaptiveState) -> AdaptiveState:
        """Caches the last hidden vector with the token after it, which is known now."""
        if not state.last.shape[1] or self.cache is None:
            return state._replace(last=state.last[:, :0])
        assert isinstance(state.cache, CacheState)
        token = token_ids[0, :1]
        of_model = self.model.output.softmax.log_prob(state.last[0], token)
        _, cache = self.cache.log_prob(state.last[0], token, of_model, state.cache)
        return AdaptiveState(state.layer, cache, state.last[:, :0])

    def next_log_probs(
        self, token_ids: Int[Tensor, "1 time"], state: AdaptiveState
    ) -> tuple[Float[Tensor, "1 vocab"], AdaptiveState]:
        """As in `PredictsNext`; also adapts to all tokens but the last, the weights to whole segments."""
        read = token_ids.shape[1] - 1
        full = read - read % SEGMENT
        if full:
            _, state = self.log_prob(token_ids[:, :full], token_ids[:, 1 : full + 1], state)
        state = self._settle(token_ids[:, full:], state)
        if full < read:
            _, state = self._read(token_ids[:, full:-1], token_ids[:, full + 1 :], state, learns=False)
        with torch.no_grad():
            hidden, layer = self.model(token_ids[:, -1:], state.layer)
            log_probs = self.model.output.softmax.log_probs(hidden[0])
        if self.cache is not None:
            assert isinstance(state.cache, CacheState)
            log_probs = self.cache.log_probs(hidden[0], log_probs, state.cache)
        return log_probs, AdaptiveState(layer, state.cache, hidden)
