"""The description of the server in OpenAPI 3.1, from the table of endpoints and the models of their requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from seqloom import __version__
from seqloom.serving import openai_schema, schema
from seqloom.serving.limits import Limits
from seqloom.serving.service import Endpoint

_PROBLEMS = {
    "400": "The request is no JSON.",
    "401": "The key is missing or wrong.",
    "404": "There is no such model, or it cannot be asked for this.",
    "408": "The request did not come in time.",
    "413": "The request is too large.",
    "415": "The request is no JSON.",
    "422": "A field is wrong; `param` is its name.",
    "503": "Too many requests wait.",
    "504": "There was no answer in time.",
}

_TRAININGS: dict[str, tuple[str, type[BaseModel]]] = {
    "/v1/trainings": ("The trainings that can be watched", schema.Trainings),
    "/v1/trainings/{name}": ("The metrics of a training so far, and where it is", schema.TrainingState),
    "/v1/trainings/{name}/outputs": ("What the best weights give for some examples", schema.TrainingOutputs),
}
_ASKED_OF_RUNS = (schema.TrainingState, schema.TrainingOutputs)
"""Answers for which files of a run are read, which may be damaged."""


def openapi(endpoints: Sequence[Endpoint], limits: Limits) -> dict[str, Any]:
    posts = [(e.path, e.summary, e.request, e.answer) for e in endpoints]
    posts.append(
        (
            "/v1/completions",
            "Texts after prompts, as of OpenAI's API",
            openai_schema.CompletionRequest,
            openai_schema.Completion,
        )
    )
    kinds: list[type[BaseModel]] = [
        schema.ErrorAnswer,
        openai_schema.Models,
        openai_schema.ModelCard,
        schema.Transcripts,
        *(answer for _, answer in _TRAININGS.values()),
    ]
    kinds += [kind for _, _, request, answer in posts for kind in (request, answer)]
    modes = [(kind, "validation") for kind in dict.fromkeys(kinds)]
    _, definitions = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, Any] = {
        path: {"post": _operation(path, summary, answer) | {"requestBody": _content(request, required=True)}}
        for path, summary, request, answer in posts
    }
    paths["/v1/completions"]["post"]["responses"]["200"]["content"]["text/event-stream"] = {}
    recording = {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "required": True,
    }
    paths["/v1/transcribe"] = {
        "post": _operation("/v1/transcribe", "What is said in a recording", schema.Transcripts)
        | {
            "requestBody": recording,
            "parameters": [
                {"name": "model", "in": "query", "schema": {"type": "string"}},
                {
                    "name": "n_best",
                    "in": "query",
                    "schema": {"type": "integer", "minimum": 1, "maximum": limits.answers},
                },
            ],
        }
    }
    paths["/v1/models"] = {"get": _operation("/v1/models", "The models of this server", openai_schema.Models, ("401",))}
    paths["/v1/models/{name}"] = _named("/v1/models/{name}", "One model", openai_schema.ModelCard)
    for path, (summary, answer) in _TRAININGS.items():
        paths[path] = (
            _named(path, summary, answer) if "{name}" in path else {"get": _operation(path, summary, answer, ("401",))}
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Seqloom", "version": __version__, "description": "Sequence models over HTTP."},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _named(path: str, summary: str, answer: type[BaseModel]) -> dict[str, Any]:
    """What is asked of one model or training, whose name is part of the path."""
    problems = ("401", "404", "422", "503", "504") if answer in _ASKED_OF_RUNS else ("401", "404")
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {"get": _operation(path, summary, answer, problems) | {"parameters": [name]}}


def _operation(
    path: str, summary: str, answer: type[BaseModel], problems: Sequence[str] = tuple(_PROBLEMS)
) -> dict[str, Any]:
    responses = {status: {"description": _PROBLEMS[status], **_content(schema.ErrorAnswer)} for status in problems}
    return {
        "operationId": path.strip("/").replace("/", "_").replace("{", "").replace("}", ""),
        "summary": summary,
        "responses": {"200": {"description": summary, **_content(answer)}, **responses},
    }


def _content(kind: type[BaseModel], required: bool = False) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}}
    return content | ({"required": True} if required else {})
