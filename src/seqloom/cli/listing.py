"""`seqloom list`: the available tasks, models, layers, cells, readers and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.cli.options import Json
from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.registry import Registry

_KINDS = ("tasks", "models", "layers", "cells", "readers", "settings")


def list_(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(_KINDS), show_default=False)],
    task: Annotated[
        str, typer.Argument(metavar="[TASK]", help="models, settings: those of this task", show_default=False)
    ] = "",
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="settings: those of this model", show_default=False)
    ] = "",
    json: Json = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="settings: print their JSON schema, with which editors check config files")
    ] = False,
) -> None:
    """List tasks, models, layers, cells, readers or settings.

    Each name has a description, each setting its default. list models TASK lists the models of one task. list
    settings TASK MODEL lists the settings of a model; without MODEL, those of the task's default model.
    """
    from seqloom.errors import RequestError, unknown_name

    if kind not in _KINDS:
        raise unknown_name("list", kind, _KINDS)
    if kind == "settings" and not task:
        raise RequestError("settings belong to a task and a model", expected="seqloom list settings TASK [MODEL]")
    takes = {"models": "models [TASK]", "settings": "settings TASK [MODEL]"}.get(kind, kind)
    if schema and kind != "settings":
        raise RequestError("only settings have a schema", where="--schema", got=kind, expected="settings")
    if bool(task) + bool(model) > takes.count(" "):
        raise RequestError("there are too many names", got=f"{task} {model}".strip(), expected=f"seqloom list {takes}")
    if schema:
        typer.echo(to_json(_schema(task, model)))
        return
    rows = _settings(task, model) if kind == "settings" else _models(task) if kind == "models" else _entries(kind)
    if json:
        typer.echo(to_json(rows))
    else:
        _print(kind, rows)


def _print(kind: str, rows: list[dict[str, Any]]) -> None:
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        shown = row["description"]
        if kind == "settings":
            shown = f"{row['value']!s:<10} {shown}"
        elif kind == "models":
            shown = f"{shown} [{', '.join(row['tasks'])}]"
        typer.echo(f"{row['name']:<{width}}  {shown}".rstrip())


def _entries(kind: str) -> list[dict[str, Any]]:
    from seqloom.data.readers import readers
    from seqloom.nn.layer import layers
    from seqloom.nn.recurrence.cell import cells
    from seqloom.tasks import tasks

    registries: dict[str, Registry[Any]] = {"tasks": tasks, "layers": layers, "cells": cells, "readers": readers}
    registry = registries[kind]
    rows = []
    for name in registry:
        description, source = registry.describe(name)
        rows.append({"name": name, "description": description, "source": source})
        if kind == "tasks":
            rows[-1]["default_model"] = tasks[name].default_model
    return rows


def _models(only_task: str) -> list[dict[str, Any]]:
    """A row for each model; two rows if a model has different descriptions in different tasks."""
    from seqloom.tasks import tasks

    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for task in [only_task] if only_task else tasks:
        for model in tasks[task].models():
            description, source = tasks[task].describe(model)
            new = {"name": model, "description": description, "source": source, "tasks": []}
            rows.setdefault((model, description), new)["tasks"].append(task)
    return sorted(rows.values(), key=lambda row: str(row["name"]))


def _settings(task: str, model: str) -> list[dict[str, Any]]:
    from seqloom.config import field_of, flatten, leaves
    from seqloom.run import make_settings
    from seqloom.tasks import tasks

    settings = make_settings(task, model or tasks[task].default_model, {})
    groups, rows = leaves(type(settings)), []
    for name, value in flatten(settings).items():
        field = field_of(groups[name], name.rsplit(".", 1)[-1])
        rows.append({"name": name, "value": value, "description": field.description or ""})
    return rows


def _schema(task: str, model: str) -> dict[str, Any]:
    """The JSON schema of the table [settings] in the `config.toml` of a run, with the defaults of the model."""
    from seqloom.run import make_settings
    from seqloom.tasks import tasks

    settings = make_settings(task, model or tasks[task].default_model, {})
    schema = type(settings).model_json_schema()
    defaults = settings.model_dump(mode="json", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "default": defaults}
