"""Reads requests and writes answers: what is too large, too slow, late or wrong becomes a status and a sentence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from seqloom.errors import SeqloomError
from seqloom.json_line import to_json
from seqloom.serving.limits import Limits
from seqloom.serving.response_error import ResponseError
from seqloom_portable.errors import PortableError

_log = logging.getLogger("seqloom.serving")

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, kind: type[Body], limits: Limits) -> Body:
    """The request in the body. Raises ResponseError where it is too large or too slow, or is no such request."""
    if media_type(request) != "application/json":
        raise ResponseError(415, "the request is JSON; expected content-type: application/json")
    body = await read_bytes(request, limits)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None


async def read_bytes(request: Request, limits: Limits) -> bytes:
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


async def answered(request: Request, work: Awaitable[Mapping[str, Any]], limits: Limits) -> Response:
    try:
        return Json(await _within(request, work, limits))
    except ClientDisconnect:
        return Response(status_code=499)
    except (SeqloomError, PortableError) as error:
        raise response_error_of(error) from None


def response_error_of(error: Exception) -> ResponseError:
    """What a model cannot do is the request's fault. Where the error names a file, that stays here."""
    if not isinstance(error, SeqloomError):
        return ResponseError(422, str(error))
    parts = [error.what, *(f"{name} {part}" for name in ("got", "expected") if (part := getattr(error, name)))]
    setting = error.where if error.where is not None and "/" not in error.where else None
    return ResponseError(422, "; ".join(str(part) for part in parts), setting)


class Json(JSONResponse):
    """Numbers that are not finite are null."""

    def render(self, content: Any) -> bytes:
        return to_json(content).encode("utf-8", "replace")


def refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, ResponseError)
    headers = {"retry-after": "1"} if error.status == 503 else None
    return JSONResponse(error.to_json(), error.status, headers)


def http_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = {404: "there is nothing at this address", 405: "this address does not take this method"}
    message = sentence.get(error.status_code, "the request could not be read")
    return JSONResponse(
        ResponseError(error.status_code, message).to_json(), error.status_code, dict(error.headers or {})
    )


def failure(_: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return JSONResponse(ResponseError(500, "the server failed at this request").to_json(), 500)
