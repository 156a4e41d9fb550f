"""What an endpoint is, and what its function has at hand: the models, the worker and the limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from seqloom.serving.hosted import Hosted
from seqloom.serving.limits import Limits
from seqloom.serving.response_error import ResponseError
from seqloom.serving.worker import Worker


@dataclass(frozen=True)
class Service:
    """What the functions of endpoints need: the models by name, the worker and the limits."""

    models: dict[str, Hosted]
    worker: Worker
    limits: Limits

    def model(self, name: str, ability: str) -> Hosted:
        """The model of that name, or the first that is able where no name is given. Raises ResponseError where there is
        none, or it is not able."""
        if name:
            if name not in self.models:
                raise ResponseError(404, f"there is no model {name!r}; there is {', '.join(self.models)}", "model")
            self.models[name].check_able(ability)
            return self.models[name]
        able = next((model for model in self.models.values() if ability in model.abilities), None)
        if able is None:
            raise ResponseError(404, f"no model of this server can be asked for {ability}", "model")
        return able


Respond = Callable[[Service, Any], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Endpoint:
    path: str
    summary: str
    request: type[BaseModel]
    answer: type[BaseModel]
    respond: Respond

    @property
    def ability(self) -> str:
        return self.path.rpartition("/")[2]


def register(
    endpoints: list[Endpoint], path: str, summary: str, request: type[BaseModel], answer: type[BaseModel]
) -> Callable[[Respond], Respond]:
    """A decorator that makes an endpoint of its function."""

    def add(respond: Respond) -> Respond:
        endpoints.append(Endpoint(path, summary, request, answer, respond))
        return respond

    return add


def texts_of(limits: Limits, name: str, value: str | Sequence[str]) -> list[str]:
    """One text or several as a list, within the limits."""
    texts = [value] if isinstance(value, str) else list(value)
    limits.check_items(name, texts)
    for text in texts:
        limits.check_text(name, text)
    return texts
