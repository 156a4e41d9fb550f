"""Settings: immutable groups of values with dotted names, the same in TOML files and in `--set`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from seqloom.errors import RequestError, unknown_name
from seqloom.files import reading, write_atomic

Value = Any
S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """A group of settings. Groups nest; the dotted name of a setting is its path from the root."""

    size_settings: ClassVar[tuple[str, ...]] = ()
    """The fields that say how large the network is, the coarsest first: what `compare --equal parameters` varies."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, populate_by_name=True
    )


def leaves(group: type[Settings], prefix: str = "") -> dict[str, type[Settings]]:
    """The dotted names of all settings under `group`, each with the class that it is a field of."""
    groups: dict[str, type[Settings]] = {}
    for name, field in group.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            groups |= leaves(inner, f"{prefix}{name}.")
        else:
            groups[prefix + (field.alias or name)] = group
    return groups


def field_of(group: type[Settings], name: str) -> FieldInfo:
    """The field with the last part of a dotted name. That is the alias, if the field has one: `from` is a keyword of
    Python, so no attribute can have this name."""
    return next(field for attribute, field in group.model_fields.items() if (field.alias or attribute) == name)


def full_name(group: type[Settings], name: str) -> str:
    """The dotted name that `name` abbreviates: `name` itself, or the only setting that ends with it (`order` for
    `model.order`, `subwords.longest` for `model.subwords.longest`, `layers` for `model.num_layers`).

    Raises RequestError where no setting matches, or more than one.
    """
    known = leaves(group)
    if name in known:
        return name
    matches = [leaf for leaf in known if leaf.endswith(f".{name}") or leaf.rsplit(".", 1)[-1] == f"num_{name}"]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RequestError(f"the setting {name!r} is ambiguous", expected=", ".join(matches))
    raise unknown_name("setting", name, known)


def parse_assignments(assignments: Iterable[str]) -> dict[str, Value]:
    """`["model.num_layers=2"]` as `{"model.num_layers": 2}`. Values are TOML; what is not TOML is plain text."""
    parsed: dict[str, Value] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise RequestError("a setting is written as name=value", got=assignment, where="--set")
        try:
            content = tomllib.loads(f"value = {text}")
            value = content["value"] if len(content) == 1 else text.strip()
        except tomllib.TOMLDecodeError:
            value = text.strip()
        except (ValueError, RecursionError):  # thousands of digits, or lists nested too deep
            raise RequestError("a setting's value cannot be read", where=name.strip(), got=text[:40] + "...") from None
        parsed[name.strip()] = value
    return parsed


def build(group: type[S], *layers: Mapping[str, Value]) -> S:
    """The defaults with the values of the `layers`, which map dotted names to values; later layers override earlier.

    Raises RequestError with the setting, its value and what is expected.
    """
    nested: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            *path, last = full_name(group, name).split(".")
            node = nested
            for part in path:
                node = node.setdefault(part, {})
            node[last] = value
    try:
        return group.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(
            "the value of a setting is not valid",
            where=".".join(str(part) for part in first["loc"]),
            got=_shown(first["input"]),
            expected=first["msg"].removeprefix("Value error, "),
        ) from None


def _shown(value: Any) -> str:
    """The value as Python writes it, shortened."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return "a number of thousands of digits, or lists nested too deep"
    return text if len(text) <= 200 else f"{text[:200]}..."


def needs(**others: list[str] | int) -> dict[str, Any]:
    """For the `json_schema_extra` of a field that changes nothing unless other settings of its group have one of these
    values, or at least this number; True stands for any but 0 or none."""
    return {"needs": others}


def needs_of(field: FieldInfo) -> dict[str, Any]:
    """What `needs` says of the field; empty for a field that always changes something."""
    extra = field.json_schema_extra
    needed = extra.get("needs") if isinstance(extra, dict) else None
    return needed if isinstance(needed, dict) else {}


def replaced_by(*others: str) -> dict[str, Any]:
    """For the `json_schema_extra` of a field that is not used where one of these settings of its group has a value."""
    return {"replaced_by": list(others)}


def replacements_of(field: FieldInfo) -> list[str]:
    """What `replaced_by` says of the field; empty for a field that nothing replaces."""
    extra = field.json_schema_extra
    others = extra.get("replaced_by") if isinstance(extra, dict) else None
    return [str(other) for other in others] if isinstance(others, list) else []


def unused(group: type[S], names: Iterable[str]) -> type[S]:
    """The same group of settings for a model that does not use the fields `names`: they are there, so that older runs
    load and groups look the same, but `check_effects` refuses other values than the default."""
    fields: dict[str, Any] = {}
    for name in names:
        field = copy(group.model_fields[name])
        field.json_schema_extra = {_UNUSED: True}
        fields[name] = (field.annotation, field)
    return create_model(group.__name__, __base__=group, **fields)


_UNUSED = "unused"


def is_unused(field: FieldInfo) -> bool:
    """Whether the model does not use the setting."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get(_UNUSED))


def has_effect(kind: type[Settings], name: str) -> bool:
    """Whether the setting with this name, in full or short, is there and the model uses it."""
    try:
        name = full_name(kind, name)
    except RequestError:
        return False
    return not is_unused(field_of(leaves(kind)[name], name.rpartition(".")[2]))


def check_effects(settings: Settings, names: Iterable[str]) -> None:
    """Raises RequestError for the first of these settings that changes nothing: because of another one, or because the
    model does not use it. A setting may be given its default, unless another one replaces it."""
    groups, values = leaves(type(settings)), flatten(settings)
    for name in names:
        group, _, last = name.rpartition(".")
        field = field_of(groups[name], last)
        for other in replacements_of(field):
            if values[beside := f"{group}.{other}" if group else other]:
                raise RequestError(
                    "the setting changes nothing",
                    where=name,
                    got=f"{values[name]} with {beside}={values[beside]}",
                    expected="one of the two",
                )
        if values[name] == field.default:
            continue
        if is_unused(field):
            raise RequestError(
                "the setting changes nothing with this model", where=name, got=values[name], expected=field.default
            )
        for other, allowed in needs_of(field).items():
            other = f"{group}.{other}" if group else other
            if not _is_met(allowed, values[other]):
                raise RequestError(
                    "the setting changes nothing",
                    where=name,
                    got=f"{values[name]} with {other}={values[other]}",
                    expected=_expected(other, allowed),
                )


def _is_met(allowed: list[str] | int, value: Value) -> bool:
    """Whether the value of another setting is one that `needs` names."""
    if isinstance(allowed, list):
        return value in allowed
    return bool(value) if allowed is True else bool(value >= allowed)


def _expected(other: str, allowed: list[str] | int) -> str:
    if isinstance(allowed, list):
        return f"also {other}={' or '.join(allowed)}"
    return f"also another value of {other}" if allowed is True else f"also {other}={allowed} or more"


def flatten(settings: Settings, prefix: str = "") -> dict[str, Value]:
    """The dotted names and values of all settings."""
    flat: dict[str, Value] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        leaf = prefix + (field.alias or name)
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Settings) else {leaf: value}
    return flat


def write_toml(path: Path, content: Mapping[str, Any]) -> None:
    write_atomic(path, tomli_w.dumps(content))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises RequestError where the file is missing or not TOML."""
    try:
        with reading(path):
            return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or integers of thousands of digits
        raise RequestError("the file is not TOML", where=str(path), got=str(error)) from None
