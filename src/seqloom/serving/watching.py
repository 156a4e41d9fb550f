"""The addresses at which trainings are watched: their names, their state, and examples of what their models give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seqloom.serving.messages import Json, answered
from seqloom.serving.response_error import ResponseError
from seqloom.serving.service import Service
from seqloom.serving.watched import Watched


def watching_routes(service: Service, trainings: Sequence[Watched]) -> list[Route]:
    by_name = {training.name: training for training in trainings}

    def training_of(request: Request) -> Watched:
        name = request.path_params["name"]
        if name not in by_name:
            raise ResponseError(404, "there is no such training", "name")
        return by_name[name]

    async def names(_: Request) -> Response:
        return Json({"data": list(by_name)})

    async def state(request: Request) -> Response:
        """A browser that has this state already is told so (304), since it asks once a second."""
        training = training_of(request)
        tag = f'"{training.version()}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        response = await answered(request, _state(training), service.limits)
        response.headers["etag"] = tag
        return response

    async def outputs(request: Request) -> Response:
        return await answered(request, _outputs(service, training_of(request)), service.limits)

    return [
        Route("/v1/trainings", names),
        Route("/v1/trainings/{name}", state),
        Route("/v1/trainings/{name}/outputs", outputs),
    ]


async def _state(training: Watched) -> Mapping[str, Any]:
    return training.state()


async def _outputs(service: Service, training: Watched) -> Mapping[str, Any]:
    def answer(items: Sequence[Any]) -> Iterator[Any]:
        for _ in items:
            yield training.examples()

    (examples,) = await service.worker.answers((training.name, "outputs"), answer, [None])
    return {"data": examples}
