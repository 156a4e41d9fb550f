"""Names of models with settings, such as `lstm:num_layers=2`, and the folders of their trainings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqloom.config import Settings, full_name, parse_assignments
from seqloom.errors import RequestError
from seqloom.run import settings_type

_BRACKETS = {"[": "]", "{": "}", "(": ")"}
_LONGEST_FOLDER_NAME = 100


@dataclass(frozen=True)
class ModelSpec:
    """A model of a comparison: `name` is what the user wrote, `settings` are those in the name, by their full names."""

    name: str
    model: str
    settings: Mapping[str, Any]


def split_names(names: str) -> list[str]:
    """The names in a list separated by commas; commas in brackets and quotes belong to a value."""
    return [name for part in _split(names, ",") if (name := part.strip())]


def parse_model(name: str, task: str) -> ModelSpec:
    """`lstm:num_layers=2:hidden_size=300`: a model of the task, and settings as `--set` accepts them.

    Raises RequestError with the nearest name for an unknown model or setting.
    """
    model, *assignments = (part.strip() for part in _split(name, ":"))
    if "=" in model:
        raise RequestError(
            "a setting stands where a model is expected",
            where="--models",
            got=name,
            expected="MODEL or MODEL:SETTING=VALUE",
            hint="separate the settings of one model by colons: lstm:num_layers=2:hidden_size=300",
        )
    kind = settings_type(task, model)
    settings: dict[str, Any] = {}
    for assignment in assignments:
        if "=" not in assignment:
            raise RequestError(
                "a setting of a model has no value", where=f"--models {name}", got=assignment, expected="SETTING=VALUE"
            )
        for setting, value in parse_assignments([assignment]).items():
            full = full_name(kind, setting)
            if full in settings:
                raise RequestError("a setting of a model is given twice", where=f"--models {name}", got=full)
            if full.startswith("tokenizer."):
                raise RequestError(
                    "the tokenizer is the same for all models", where=f"--models {name}", hint=f"--set {assignment}"
                )
            settings[full] = value
    return ModelSpec(name, model, settings)


def refuse_equal_models(settings_by_name: Mapping[str, tuple[str, Settings]]) -> None:
    """Raises RequestError if two names stand for the same model with the same settings. `settings_by_name`: the model
    and all settings of each name."""
    names: dict[str, str] = {}
    for name, (model, settings) in settings_by_name.items():
        key = f"{model} {settings.model_dump_json()}"
        if key in names:
            raise RequestError(
                "two names stand for the same model with the same settings",
                where="--models",
                got=f"{names[key]}, {name}",
                hint="leave one of them out",
            )
        names[key] = name


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """A different folder name for each model: its name, with characters replaced that a file system may not accept."""
    folders: dict[str, str] = {}
    for name in names:
        safe = re.sub(r"[^\w.+=-]+", "-", name)[:_LONGEST_FOLDER_NAME].strip("-.")
        number, folder = 1, safe
        while folder.lower() in {other.lower() for other in folders.values()}:
            number += 1
            folder = f"{safe}-{number}"
        folders[name] = folder
    return folders


def _split(text: str, separator: str) -> Iterable[str]:
    """The parts of a text between separators that are neither in brackets nor in double quotes."""
    part, closing, quoted = "", [], False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in _BRACKETS:
            closing.append(_BRACKETS[character])
        elif not quoted and closing and character == closing[-1]:
            closing.pop()
        if character == separator and not quoted and not closing:
            yield part
            part = ""
        else:
            part += character
    yield part
