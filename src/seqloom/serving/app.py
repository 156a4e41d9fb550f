"""The web application: what comes in is checked, asked of the worker, and answered as JSON or as a stream."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seqloom.charts.theme import css_variables
from seqloom.errors import SeqloomError
from seqloom.serving import schema
from seqloom.serving.completions import Completing, check_stream
from seqloom.serving.endpoints import ENDPOINTS, Endpoint, Service
from seqloom.serving.hosted import Hosted
from seqloom.serving.limits import Limits
from seqloom.serving.measured import Measured
from seqloom.serving.openapi import openapi
from seqloom.serving.response_error import ResponseError
from seqloom.serving.worker import Worker
from seqloom_portable.errors import PortableError

_log = logging.getLogger("seqloom.serving")

PAGE = Path(__file__).parent / "page"

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

OPEN_PATHS = frozenset({"/", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
"""What is answered without a key; the files of the page are too."""

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")


def make_app(
    models: Sequence[Hosted],
    limits: Limits,
    *,
    key: str = "",
    hosts: Sequence[str] = (),
    routes: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """The application of some models. `key`: what requests must bring; empty: none. `hosts`: the names under which the
    server may be asked (which keeps other sites' pages from asking it by a name of theirs); none: any. `routes`: more
    of them."""
    worker, measured = Worker(limits.waiting, limits.items), Measured()
    service = Service({model.name: model for model in models}, worker, limits)
    worker.batch_sizes = measured.batch_sizes.observe
    measured.waiting.set_function(lambda: worker.load)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        worker.start()
        yield
        await asyncio.to_thread(worker.stop)

    described = openapi(ENDPOINTS)
    names = sorted(path.name for path in PAGE.iterdir() if path.suffix in _TYPES)
    app = Starlette(
        lifespan=lifespan,
        exception_handlers={ResponseError: _problem, HTTPException: _http_problem, Exception: _failure},
        routes=[
            *(Route(endpoint.path, _handler(service, endpoint), methods=["POST"]) for endpoint in ENDPOINTS),
            Route("/v1/completions", _completions(service), methods=["POST"]),
            Route("/v1/transcribe", _transcribe(service), methods=["POST"]),
            Route("/v1/models", _models(service)),
            Route("/v1/models/{name}", _model(service)),
            Route("/reports/{name}/{file}", _report(service)),
            Route("/v2/health/live", lambda _: JSONResponse({"live": True})),
            Route("/v2/health/ready", lambda _: JSONResponse({"ready": True})),
            Route("/metrics", lambda _: Response(measured.text(), media_type=measured.media_type)),
            Route("/openapi.json", lambda _: JSONResponse(described)),
            Route("/", lambda _: _page_file("index.html")),
            Route("/page/theme.css", lambda _: Response(css_variables(), media_type="text/css")),
            *(Route(f"/page/{name}", lambda _, name=name: _page_file(name)) for name in names),
            *routes,
        ],
    )
    return _Guard(app, key, hosts, measured)


async def _read(request: Request, kind: type[Body], limits: Limits) -> Body:
    """The request in the body. Raises ResponseError where it is too large or too slow, or is no such request."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ResponseError(415, "the request is JSON; expected content-type: application/json")
    body = await _read_bytes(request, limits)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None


async def _read_bytes(request: Request, limits: Limits) -> bytes:
    """The body. Raises ResponseError where it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                body += part
                if len(body) > limits.body_bytes:
                    raise ResponseError(413, f"the request is larger than {limits.body_bytes:,} bytes")
    except TimeoutError:
        raise ResponseError(408, f"the request did not come within {limits.seconds:g} seconds") from None
    return bytes(body)


def _invalid(error: ValidationError) -> ResponseError:
    """What is wrong first: JSON itself (400), or a field (422) by its name."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"][:1])
    if first["type"] == "json_invalid":
        return ResponseError(400, "the request is no JSON: " + first["msg"])
    return ResponseError(422, f"{place or 'the request'}: {first['msg']}", place or None)


async def _within(request: Request, work: Awaitable[Result], limits: Limits) -> Result:
    """The result of the work, which is cancelled when the client has gone or the time is over."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((task, gone), timeout=limits.seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise ClientDisconnect
        raise ResponseError(504, f"there was no answer within {limits.seconds:g} seconds")
    finally:
        for future in (task, gone):
            future.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _handler(service: Service, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = await _read(request, endpoint.request, service.limits)
        return await _answered(request, endpoint.respond(service, body), service.limits)

    return handle


async def _answered(request: Request, work: Awaitable[Mapping[str, Any]], limits: Limits) -> Response:
    try:
        return _Json(await _within(request, work, limits))
    except ClientDisconnect:
        return Response(status_code=499)
    except (SeqloomError, PortableError) as error:
        raise _of_error(error) from None


def _of_error(error: Exception) -> ResponseError:
    """What a model cannot do is the request's fault. Where the error names a file, that stays here."""
    if not isinstance(error, SeqloomError):
        return ResponseError(422, str(error))
    parts = [error.what, *(f"{name} {part}" for name in ("got", "expected") if (part := getattr(error, name)))]
    setting = error.where if error.where is not None and "/" not in error.where else None
    return ResponseError(422, "; ".join(str(part) for part in parts), setting)


class _Json(JSONResponse):
    """Numbers that are not finite are null."""

    def render(self, content: Any) -> bytes:
        try:
            text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except ValueError:
            text = json.dumps(_finite(content), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(held) for name, held in value.items()}
    return [_finite(held) for held in value] if isinstance(value, list | tuple) else value


def _completions(service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = await _read(request, schema.CompletionRequest, service.limits)
        check_stream(body)
        completing = Completing(service, body)
        if not body.stream:
            return await _answered(request, completing.response(), service.limits)
        return StreamingResponse(_events(completing, service.limits), media_type="text/event-stream")

    return handle


async def _events(completing: Completing, limits: Limits) -> AsyncGenerator[str, None]:
    """Server-sent events. A stream that lasts longer than a request may ends as if it had its tokens."""
    try:
        async with asyncio.timeout(limits.seconds), contextlib.aclosing(completing.stream()) as chunks:
            async for chunk in chunks:
                yield f"data: {bytes(_Json(chunk).body).decode()}\n\n"
    except TimeoutError:
        pass
    except ResponseError as error:
        yield f"data: {json.dumps(error.to_json())}\n\n"
    except (SeqloomError, PortableError) as error:
        yield f"data: {json.dumps(_of_error(error).to_json())}\n\n"
    yield "data: [DONE]\n\n"


def _transcribe(service: Service) -> Callable[[Request], Awaitable[Response]]:
    """A recording is the body as it is, in a format of a sound file; `model` and `n_best` stand in the address."""

    async def handle(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("audio/") and kind != "application/octet-stream":
            raise ResponseError(415, "a recording is a sound file; expected content-type: audio/...")
        model = service.model(request.query_params.get("model", ""), "transcribe")
        most = request.query_params.get("n_best", "1")
        if not (most.isascii() and most.isdigit() and 1 <= int(most) <= service.limits.answers):
            raise ResponseError(422, f"n_best is 1 to {service.limits.answers}", "n_best")
        options = {"n_best": int(most)} if most != "1" else {}
        content = await _read_bytes(request, service.limits)

        async def work() -> Mapping[str, Any]:
            key = (model.name, "transcribe", most)
            (answers,) = await service.worker.answers(key, lambda items: model.answers(items, options), [content])
            shown = [{name: answer[name] for name in ("text", "confidence", "words")} for answer in answers]
            return {"model": model.name, "results": shown}

        return await _answered(request, work(), service.limits)

    return handle


def _models(service: Service) -> Callable[[Request], Response]:
    return lambda _: _Json({"object": "list", "data": [_card(model) for model in service.models.values()]})


def _model(service: Service) -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        model = service.models.get(request.path_params["name"])
        if model is None:
            raise ResponseError(404, "there is no such model", "model")
        return _Json(_card(model))

    return handle


def _card(model: Hosted) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": int(model.folder.stat().st_mtime) if model.folder.exists() else 0,
        "owned_by": "seqloom",
        "task": model.task,
        "network": model.model,
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
        return FileResponse(model.folder / file, headers={"content-security-policy": _REPORT_POLICY})

    return handle


def _page_file(name: str) -> Response:
    path = PAGE / name
    headers = {"content-security-policy": _PAGE_POLICY}
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=headers)


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ResponseError)
    headers = {"retry-after": "1"} if error.status == 503 else None
    return JSONResponse(error.to_json(), error.status, headers)


def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = {404: "there is nothing at this address", 405: "this address does not take this method"}
    message = sentence.get(error.status_code, "the request could not be read")
    return JSONResponse(
        ResponseError(error.status_code, message).to_json(), error.status_code, dict(error.headers or {})
    )


def _failure(_: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return JSONResponse(ResponseError(500, "the server failed at this request").to_json(), 500)


class _Guard:
    """Goes before everything: the key, the name of the host, the headers of every answer, and what is measured."""

    def __init__(self, app: ASGIApp, key: str, hosts: Sequence[str], measured: Measured) -> None:
        self._app, self._key, self._hosts, self._measured = app, key, frozenset(hosts), measured

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                held = {name for name, _ in message["headers"]}
                added = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in held]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        error = self._refusal(Request(scope))
        if error is None:
            await self._app(scope, receive, send_on)
        else:
            await _problem(Request(scope), error)(scope, receive, send_on)
        self._measured.request(scope, status, time.perf_counter() - began)

    def _refusal(self, request: Request) -> ResponseError | None:
        host = request.headers.get("host", "").rpartition(":")
        name = (host[0] if host[1] and host[2].isdigit() else request.headers.get("host", "")).strip("[]").lower()
        if self._hosts and name not in self._hosts:
            return ResponseError(421, "this server is not asked by that name")
        path = request.url.path
        if not self._key or path in OPEN_PATHS or path.startswith("/page/"):
            return None
        header = request.headers.get("authorization", "")
        if hmac.compare_digest(header.encode("utf-8", "replace"), f"Bearer {self._key}".encode()):
            return None
        return ResponseError(401, "the key is missing or wrong; expected the header Authorization: Bearer KEY")
