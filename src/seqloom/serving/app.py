"""The web application: which function answers at which address."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from seqloom.charts.theme import css_variables
from seqloom.errors import SeqloomError
from seqloom.serving import openai_schema
from seqloom.serving.completions import Completing
from seqloom.serving.endpoints import ENDPOINTS
from seqloom.serving.guard import REPORT_POLICY, Guard
from seqloom.serving.hosted import Hosted
from seqloom.serving.limits import Limits
from seqloom.serving.measured import Measured
from seqloom.serving.messages import (
    Json,
    answered,
    failure,
    http_refusal,
    media_type,
    read_bytes,
    read_json,
    refusal,
    response_error_of,
)
from seqloom.serving.openapi import openapi
from seqloom.serving.reloading import Reloading
from seqloom.serving.response_error import ResponseError
from seqloom.serving.service import Endpoint, Service
from seqloom.serving.watched import Watched
from seqloom.serving.watching import watching_routes
from seqloom.serving.worker import Worker
from seqloom_portable.errors import PortableError

PAGE = Path(__file__).parent / "page"


def make_app(
    models: Sequence[Hosted],
    limits: Limits,
    *,
    trainings: Sequence[Watched] = (),
    key: str = "",
    hosts: Sequence[str] = (),
    origins: Sequence[str] = (),
    reloading: Reloading | None = None,
) -> ASGIApp:
    """The application of some models, and of trainings that are watched. `key`: what requests must bring; empty: none.
    `hosts`: the names under which the server may be asked (which keeps other sites' pages from asking it by a name of
    theirs); none: any. `origins`: the other sites whose pages may ask; `*`: all; none: no other. `reloading`
    replaces models that have been saved anew."""
    worker, measured = Worker(limits.waiting, limits.items), Measured()
    service = Service({model.name: model for model in models}, worker, limits)
    worker.batch_sizes = measured.batch_sizes.observe
    measured.waiting.set_function(lambda: worker.load)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        worker.start()
        follows = asyncio.create_task(reloading.follow(service.models)) if reloading is not None else None
        yield
        if follows is not None:
            follows.cancel()
        await asyncio.to_thread(worker.stop)

    described = openapi(ENDPOINTS, limits)
    routes = [
        *(Route(endpoint.path, _handler(service, endpoint), methods=["POST"]) for endpoint in ENDPOINTS),
        Route("/v1/completions", _completions(service), methods=["POST"]),
        Route("/v1/transcribe", _transcribe(service), methods=["POST"]),
        Route("/v1/models", _models(service)),
        Route("/v1/models/{name}", _model(service)),
        *watching_routes(service, trainings),
        Route("/reports/{name}/{file}", _report(service)),
        Route("/v2/health/live", lambda _: JSONResponse({"live": True})),
        Route("/v2/health/ready", lambda _: JSONResponse({"ready": True})),
        Route("/metrics", lambda _: Response(measured.text(), media_type=measured.media_type)),
        Route("/openapi.json", lambda _: JSONResponse(described)),
        Route("/", lambda _: FileResponse(PAGE / "index.html")),
        Route("/page/theme.css", lambda _: Response(css_variables(), media_type="text/css")),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    app = Starlette(
        lifespan=lifespan,
        exception_handlers={ResponseError: refusal, HTTPException: http_refusal, Exception: failure},
        routes=routes,
    )
    guarded = Guard(app, key, hosts, measured, [route.path for route in routes if isinstance(route, Route)])
    if not origins:
        return guarded
    return CORSMiddleware(guarded, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])


def _handler(service: Service, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = await read_json(request, endpoint.request, service.limits)
        return await answered(request, endpoint.respond(service, body), service.limits)

    return handle


def _completions(service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = await read_json(request, openai_schema.CompletionRequest, service.limits)
        completing = Completing(service, body)
        if not body.stream:
            return await answered(request, completing.response(), service.limits)
        service.worker.check_room()  # while there can still be a status
        return StreamingResponse(_events(completing, service.limits), media_type="text/event-stream")

    return handle


async def _events(completing: Completing, limits: Limits) -> AsyncGenerator[str, None]:
    """Server-sent events. A stream that lasts longer than a request may ends as if it had its tokens."""
    try:
        async with asyncio.timeout(limits.seconds), contextlib.aclosing(completing.stream()) as chunks:
            async for chunk in chunks:
                yield f"data: {bytes(Json(chunk).body).decode()}\n\n"
    except TimeoutError:
        pass
    except ResponseError as error:
        yield f"data: {json.dumps(error.to_json())}\n\n"
    except (SeqloomError, PortableError) as error:
        yield f"data: {json.dumps(response_error_of(error).to_json())}\n\n"
    yield "data: [DONE]\n\n"


def _transcribe(service: Service) -> Callable[[Request], Awaitable[Response]]:
    """A recording is the body as it is, in a format of a sound file; `model` and `n_best` stand in the address."""

    async def handle(request: Request) -> Response:
        kind = media_type(request)
        if not kind.startswith("audio/") and kind != "application/octet-stream":
            raise ResponseError(415, "a recording is a sound file; expected content-type: audio/...")
        model = service.model(request.query_params.get("model", ""), "transcribe")
        most = request.query_params.get("n_best", "1")
        if not (most.isascii() and most.isdigit() and 1 <= int(most) <= service.limits.answers):
            raise ResponseError(422, f"n_best is 1 to {service.limits.answers}", "n_best")
        options = {"n_best": int(most)} if most != "1" else {}
        content = await read_bytes(request, service.limits)

        async def work() -> Mapping[str, Any]:
            key = (model, "transcribe", most)
            (answers,) = await service.worker.answers(key, lambda items: model.answers(items, options), [content])
            shown = [{name: answer[name] for name in ("text", "confidence", "words")} for answer in answers]
            return {"model": model.name, "results": shown}

        return await answered(request, work(), service.limits)

    return handle


def _models(service: Service) -> Callable[[Request], Response]:
    return lambda _: Json({"object": "list", "data": [_card(model) for model in service.models.values()]})


def _model(service: Service) -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        model = service.models.get(request.path_params["name"])
        if model is None:
            raise ResponseError(404, "there is no such model", "model")
        return Json(_card(model))

    return handle


def _card(model: Hosted) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": int(model.saved.seconds) if model.saved else 0,
        "owned_by": "seqloom",
        "task": model.task,
        "network": model.model,
        "updates": model.saved.updates if model.saved else None,
        "abilities": sorted(model.abilities),
        "facts": dict(model.facts),
        "reports": _reports(model),
    }


def _reports(model: Hosted) -> list[str]:
    """The pages in a model's folder, such as those of `explain` and of `evaluate --report`."""
    return sorted(path.name for path in model.folder.glob("*.html")) if model.folder.is_dir() else []


def _report(service: Service) -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        model, file = service.models.get(request.path_params["name"]), request.path_params["file"]
        if model is None or file not in _reports(model):
            raise ResponseError(404, "there is no such page")
        return FileResponse(model.folder / file, headers={"content-security-policy": REPORT_POLICY})

    return handle
