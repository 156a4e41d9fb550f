"""`seqloom list`: what there is to choose from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seqloom.cli.options import Json, to_json

_KINDS = ("tasks", "models", "layers", "cells", "readers", "settings")


def list_(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(_KINDS), show_default=False)],
    task: Annotated[str, typer.Argument(help="settings: the task", show_default=False)] = "",
    model: Annotated[str, typer.Argument(help="settings: the model", show_default=False)] = "",
    json: Json = False,
) -> None:
    """List the tasks, models, layers, cells or readers; `list settings TASK MODEL`: the settings and their defaults."""
    from seqloom.errors import RequestError, unknown_name

    if kind not in _KINDS:
        raise unknown_name("list", kind, _KINDS)
    if kind == "settings" and not (task and model):
        raise RequestError("settings are those of a task and a model", expected="seqloom list settings TASK MODEL")
    rows = _settings(task, model) if kind == "settings" else _names(kind)
    if json:
        typer.echo(to_json(rows))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        about = f"{row['value']!s:<10} {row['about']}" if "value" in row else row["about"]
        typer.echo(f"{row['name']:<{width}}  {about}".rstrip())


def _names(kind: str) -> list[dict[str, Any]]:
    from seqloom.data.readers import readers
    from seqloom.nn.layer import layers
    from seqloom.nn.recurrence.cell import cells
    from seqloom.tasks import tasks

    if kind == "models":
        by_model: dict[str, list[str]] = {}
        for task in tasks:
            for model in tasks[task].models():
                by_model.setdefault(model, []).append(task)
        return [{"name": model, "about": ", ".join(of)} for model, of in sorted(by_model.items())]
    registry: Any = {"tasks": tasks, "layers": layers, "cells": cells, "readers": readers}[kind]
    return [{"name": name, "about": _first_line(registry[name])} for name in registry]


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _settings(task: str, model: str) -> list[dict[str, Any]]:
    from seqloom.config import field_of, flatten, leaves
    from seqloom.run import make_settings

    settings = make_settings(task, model, {})
    groups, rows = leaves(type(settings)), []
    for name, value in flatten(settings).items():
        field = field_of(groups[name], name.rsplit(".", 1)[-1])
        rows.append({"name": name, "value": value, "about": field.description or ""})
    return rows
