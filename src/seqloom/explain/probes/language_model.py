"""Contexts of tokens: what a language model, neural or count-based, makes of the next token given the last k."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.config import flatten
from seqloom.data.text_codec import TextCodec
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD, SOS, shown_token
from seqloom.decoding.batching import padded_source
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import (
    EXAMPLES,
    LONGEST,
    Attributable,
    ContextLimit,
    EndLoss,
    NetworkProbe,
    Probe,
    copies,
    example_number,
    log_probabilities,
    longest_first,
    spread,
)
from seqloom.models.counted import CountBased
from seqloom.models.language_model import LanguageModel, PredictsNext
from seqloom.nn.attention.multi_head import has_self_attention
from seqloom.nn.layer import state_tensors
from seqloom.tasks.capabilities import Trained

_TOKENS_AT_ONCE, _SHOWN = 8_192, 40


class TokenContexts(Probe):
    """Of a text: `contexts[i]` are the tokens before `targets[i]`, the last ones at the end; along a stream they go
    beyond the line. Equal data give equal targets, whatever the model."""

    smallest = 1
    """A model that has read nothing predicts the beginning of a text, which is another question."""

    def __init__(self, trained: Trained, data: TokenFile) -> None:
        self.model: PredictsNext = trained.model
        self.tokenizer = cast(TextCodec, trained.codec).tokenizer
        self.data = data
        self.by_line = trained.settings.data.mode == "lines" and not isinstance(trained.model, CountBased)
        longest = min(LONGEST, max(len(data) // 4, 1))
        ids = np.asarray(data.ids)
        # A target at the beginning of the text has no context that could be cut.
        positions = longest + spread(max(len(data) - longest, 1), EXAMPLES)
        positions = positions[positions < len(data)]
        starts = data.offsets[np.searchsorted(data.offsets, positions, side="right") - 1]
        if self.by_line:
            keeps = positions > starts  # the first token of a line has no context either
            positions, starts = positions[keeps], starts[keeps]
        firsts = np.maximum(starts, positions - longest) if self.by_line else positions - longest
        self.contexts = [ids[a:b].astype(np.int64) for a, b in zip(firsts, positions, strict=True)]
        self.targets = ids[positions].astype(np.int64)
        if not len(self.targets):
            raise RequestError("the text is too short to cut contexts from", got=f"{len(data)} tokens")
        self.longest = max(map(len, self.contexts))
        self.limit = self._limit(flatten(trained.settings))

    def _limit(self, settings: dict[str, Any]) -> ContextLimit | None:
        """Only attention looks at all of a horizon; a recurrent state reaches beyond it."""
        if "model.order" in settings:
            return ContextLimit("model.order", settings["model.order"] - 1, beside=1)
        attends = isinstance(self.model, nn.Module) and has_self_attention(self.model)
        return ContextLimit("data.horizon", settings["data.horizon"]) if attends and not self.by_line else None

    def losses(self, context: int) -> NDArray[np.float64]:
        cut = [tokens[max(len(tokens) - context, 0) :] for tokens in self.contexts]
        nats = np.empty(len(cut))
        order = np.argsort([len(tokens) for tokens in cut], kind="stable")
        at_once = max(1, _TOKENS_AT_ONCE // max(context, 1))
        for first in range(0, len(order), at_once):
            rows = order[first : first + at_once]
            nats[rows] = -self._log_prob([cut[row] for row in rows], self.targets[rows])
        return nats

    def _log_prob(self, contexts: list[NDArray[np.int64]], targets: NDArray[np.int64]) -> NDArray[np.float64]:
        inputs, lengths = padded_source(self._inputs(contexts))
        expected = torch.full_like(inputs, EOS)  # only the last target of a row is known
        expected[torch.arange(len(inputs)), lengths - 1] = torch.from_numpy(targets)
        state = self.model.initial_state(len(inputs))
        device = state_tensors(state)[0].device
        ragged = None if bool((lengths == inputs.shape[1]).all()) else lengths.to(device)
        log_probs, _ = self.model.log_prob(inputs.to(device), expected.to(device), state, ragged)
        last = log_probs[torch.arange(len(inputs)), (lengths - 1).to(log_probs.device)]
        return last.double().numpy(force=True)

    def _inputs(self, contexts: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """A network of lines reads `<sos>` first, however much is cut. A model without any context reads what stands
        before every text."""
        if self.by_line:
            return [np.concatenate([[SOS], tokens]) for tokens in contexts]
        # To an n-gram model padding is no context; a network along a stream has read the end of the text before.
        nothing = np.array([PAD if isinstance(self.model, CountBased) else EOS])
        return [tokens if len(tokens) else nothing for tokens in contexts]

    def shown(self, ids: NDArray[np.int64]) -> list[str]:
        return [shown_token(self.tokenizer, int(i)) for i in ids]


class NetworkTokenContexts(TokenContexts, NetworkProbe):
    """The same of a network."""

    def __init__(self, trained: Trained, data: TokenFile) -> None:
        super().__init__(trained, data)
        self.network: LanguageModel = trained.model
        self.device = next(trained.model.parameters()).device

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:  # noqa: ARG002
        """At the last token alone; the layer of a language model never runs backward."""
        rows = longest_first(self.contexts)
        inputs, lengths = padded_source(self._inputs([self.contexts[row] for row in rows]))
        targets = torch.from_numpy(self.targets[rows])
        summed_nats = cast("Any", network).output.softmax.loss
        loss = summed_nats(*self._last(network, inputs, targets, lengths))
        return EndLoss(loss, {"": lengths.numpy()})

    def _last(self, network: Any, inputs: Tensor, targets: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, size) the vectors that the last token of each row is predicted from, and (rows,) the targets."""
        inputs, targets, lengths = (part.to(self.device) for part in (inputs, targets, lengths))
        ragged = None if bool((lengths == inputs.shape[1]).all()) else lengths
        vectors, _ = network(inputs, None, ragged)
        return vectors[torch.arange(len(inputs), device=self.device), lengths - 1], targets

    def example(self, number: int | None, text: str | None) -> Attributable | None:
        """The last token of a text, or of a line of the data, given those before; by default of the first with two."""
        if text is not None:
            ids = np.array(self.tokenizer.encode([text])[0], dtype=np.int64)
            if len(ids) < 2:
                raise RequestError("a text needs two tokens or more", where="--text", got=text)
        else:
            line = self._first_line() if number is None else example_number(number, self.data.num_lines)
            if line is None:
                return None
            ids = np.asarray(self.data.rows([line])[0]).astype(np.int64)[:-1]
            if len(ids) < 2:
                raise RequestError("the line has fewer than two tokens", where=f"--example {number}")
        ids = ids[-_SHOWN:]
        (row,) = self._inputs([ids[:-1]])
        inputs, target, lengths = torch.from_numpy(row)[None], torch.tensor(ids[-1:]), torch.tensor([len(row)])

        def score(network: Any, rows: int) -> Tensor:
            vectors, targets = self._last(network, *(copies(part, rows, network) for part in (inputs, target, lengths)))
            return log_probabilities(network.output, vectors, targets)

        output = f"log p({self.shown(ids[-1:])[0]})"
        return self.attributable(self.shown(row), output, score)

    def _first_line(self) -> int | None:
        """The index of the first line with two tokens or more beside its `<eos>`."""
        return next(iter(np.flatnonzero(np.diff(self.data.offsets) > 2).tolist()), None)
