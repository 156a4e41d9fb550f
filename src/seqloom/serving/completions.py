"""Texts that a language model writes after prompts, in the form of OpenAI's completions, whole or as a stream."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from seqloom.serving import openai_schema
from seqloom.serving.hosted import Hosted
from seqloom.serving.next_token import Continuation, Token, TokenModel
from seqloom.serving.response_error import ResponseError
from seqloom.serving.service import Service, texts_of
from seqloom.serving.worker import Events
from seqloom_portable.sampling import Sampling

_STOPS = 16


@dataclass
class _SampledTokens:
    """The tokens of one text, in the order in which they are given out."""

    offset: int = 0
    tokens: list[str] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    candidates: list[dict[str, float]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def add(self, token: Token) -> None:
        self.tokens.append(token.text)
        self.log_probs.append(token.log_prob)
        self.candidates.append({candidate.text: candidate.log_prob for candidate in reversed(token.candidates)})
        self.offsets.append(self.offset)
        self.offset += len(token.text)

    def take(self, top: int) -> dict[str, Any]:
        """What was added since it was last taken."""
        taken = {
            "tokens": self.tokens,
            "token_logprobs": self.log_probs,
            "top_logprobs": self.candidates if top else None,
            "text_offset": self.offsets,
        }
        self.tokens, self.log_probs, self.candidates, self.offsets = [], [], [], []
        return taken


class _HeldBack:
    """The text that is given out, up to the first of some `stops`; what may be the beginning of one waits."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops, self._text = stops, ""
        self.has_stopped = False

    def add(self, text: str) -> str:
        self._text += text
        places = [place for stop in self._stops if (place := self._text.find(stop)) >= 0]
        if places:
            self.has_stopped = True
            ready, self._text = self._text[: min(places)], ""
            return ready
        waits = max((_overlap(self._text, stop) for stop in self._stops), default=0)
        ready, self._text = self._text[: len(self._text) - waits], self._text[len(self._text) - waits :]
        return ready

    def remainder(self) -> str:
        ready, self._text = self._text, ""
        return ready


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that is a beginning of `stop`."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)


class Completing:
    """One request for completions."""

    def __init__(self, service: Service, request: openai_schema.CompletionRequest) -> None:
        limits = service.limits
        if request.stream_options is not None and not request.stream:
            raise ResponseError(422, "stream_options are of a stream", "stream_options")
        self.model: Hosted = service.model(request.model, "completions")
        self.request, self.worker = request, service.worker
        self.prompts = texts_of(limits, "prompt", request.prompt)
        limits.check("max_tokens", request.max_tokens, limits.tokens, "tokens")
        limits.check("n", request.n, limits.answers)
        limits.check("prompt", len(self.prompts) * request.n, limits.items, "texts")
        limits.check("logprobs", request.logprobs or 0, limits.answers)
        stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
        self.stops = [stop for stop in stops if stop]
        limits.check("stop", len(self.stops), _STOPS, "texts")
        for stop in self.stops:
            limits.check_text("stop", stop)
        self.seed = secrets.randbits(31) if request.seed is None else request.seed
        self.id, self.created = f"cmpl-{secrets.token_hex(12)}", int(time.time())
        self.prompt_tokens = self.completion_tokens = 0

    async def stream(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yields chunks: what each token adds, and at the end of each text why it ended. All texts are written side by
        side."""
        texts = enumerate(itertools.product(self.prompts, range(self.request.n)))
        parts = [self._choices(self.model.tokens, prompt, index, number) for index, (prompt, number) in texts]
        async with aclosing(self.worker.stream(parts)) as events:
            async for choice in events:
                yield self._chunk([choice])
        if (self.request.stream_options or {}).get("include_usage"):
            yield self._chunk([]) | {"usage": self._usage()}

    async def response(self) -> Mapping[str, Any]:
        choices: dict[int, dict[str, Any]] = {}
        async for chunk in self.stream():
            for part in chunk["choices"]:
                choice = choices.setdefault(part["index"], {**part, "text": "", "logprobs": None})
                choice["text"] += part["text"]
                choice["finish_reason"] = part["finish_reason"]
                choice["logprobs"] = _joined(choice["logprobs"], part["logprobs"])
        return self._chunk([choices[index] for index in sorted(choices)]) | {"usage": self._usage()}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model.name,
            "choices": choices,
        }

    def _usage(self) -> dict[str, int]:
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens, "total_tokens": total,
        }  # fmt: skip

    def _choices(self, model: TokenModel, prompt: str, index: int, number: int) -> Events:
        """Runs on the worker's thread. Yields what is given out of one text, and the steps of the model."""
        request, top = self.request, self.request.logprobs or 0
        sampled, held = _SampledTokens(), _HeldBack(self.stops)

        def choice(text: str, reason: str | None = None) -> dict[str, Any]:
            log_probs = None if request.logprobs is None else sampled.take(top)
            return {"text": text, "index": index, "logprobs": log_probs, "finish_reason": reason}

        if request.echo:
            for token in model.score(prompt, top if request.logprobs is not None else 0):
                sampled.add(token)
            yield choice(prompt)
        self.prompt_tokens += sum(map(len, model.tokenizer.encode([prompt])))
        sampling = Sampling(request.temperature, request.top_k, request.top_p)
        continuation = Continuation(model, prompt, sampling, (self.seed + number) % 2**63, top)
        for _ in range(request.max_tokens):
            token = yield from continuation.next()
            self.completion_tokens += 1
            sampled.add(token)
            ready = held.add(token.text)
            if token.is_end or held.has_stopped:
                yield choice(ready + held.remainder(), "stop")
                return
            yield choice(ready)
        yield choice(held.remainder(), "length")


def _joined(log_probs: dict[str, Any] | None, more: dict[str, Any] | None) -> dict[str, Any] | None:
    if log_probs is None or more is None:
        return log_probs or more
    return {name: None if values is None else values + more[name] for name, values in log_probs.items()}
