"""The specification of a comparison: data, models, seeds, budget and settings. A folder holds one comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqloom.config import build, full_name
from seqloom.data.corpus import Recipe, content_hash
from seqloom.data.input_source import rereadable
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder, write_atomic
from seqloom.run import make_settings, settings_type
from seqloom.runtime import cache_folder
from seqloom.tasks import tasks
from seqloom.training.budget import Budget


@dataclass(frozen=True)
class ComparisonSpec:
    """The content of `comparison.json`. `budget` has one entry. `contents` are the hashes of the files by their roles,
    since a file may change later. `settings` named `model:setting` are for that model only."""

    task: str
    data: str
    valid: str | None
    test: str | None
    contents: dict[str, str]
    models: tuple[str, ...]
    seeds: int
    budget: dict[str, float]
    threads: int
    settings: dict[str, Any]

    def settings_of(self, model: str) -> dict[str, Any]:
        """The settings of `model`: those for all models, overridden by those for this model."""
        settings = {name: value for name, value in self.settings.items() if ":" not in name}
        for name, value in self.settings.items():
            target, colon, setting = name.partition(":")
            if colon and target == model:
                kind = settings_type(self.task, model)  # a setting may be named by its short or its full name
                full = full_name(kind, setting)
                settings = {n: v for n, v in settings.items() if full_name(kind, n) != full} | {full: value}
        return settings

    def command(self, out: str) -> list[str]:
        """The command line of this comparison."""
        words = ["seqloom", "compare", self.task, self.data, "--models", ",".join(self.models)]
        for name, value in {**self.budget, "seeds": self.seeds, "out": out}.items():
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        for name, path in (("valid", self.valid), ("test", self.test), ("threads", self.threads or None)):
            words += [f"--{name}", str(path)] if path is not None else []
        for assignment in assignments(self.settings):
            words += ["--set", assignment]
        return words


def assignments(settings: Mapping[str, Any]) -> list[str]:
    """The settings as arguments of `--set`. Numbers, strings, booleans and lists are the same in JSON and in TOML."""
    return [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()]


def make_terms(
    task: str,
    data: str,
    valid: str | None,
    test: str | None,
    models: Sequence[str],
    seeds: int,
    budget: Mapping[str, float],
    threads: int,
    settings: Mapping[str, Any],
) -> ComparisonSpec:
    """Checks a request before anything is trained. Raises RequestError if it is impossible."""
    known = tasks[task].models()
    full_budget = build(Budget, budget).model_dump(exclude_defaults=True)
    names = tuple(dict.fromkeys(models))
    if not names:
        raise RequestError("a comparison needs models", where="--models", expected=", ".join(known))
    if seeds < 1:
        raise RequestError("a comparison needs a seed", where="--seeds", got=seeds, expected="1 or more")
    if threads < 0:
        raise RequestError(
            "the number of threads cannot be negative", where="--threads", got=threads, expected="0 or more"
        )
    if valid is not None and test is None:
        raise RequestError(
            "models are not ranked on the data that chooses their weights",
            where="--test",
            hint="give test data too, or leave out --valid: then parts of the data are held out for both",
        )
    _check_settings(task, names, settings)
    data = rereadable(data, cache_folder())  # every training reads it again
    sources = {"data": data, "valid": valid, "test": test}
    contents = {role: _content(task, names[0], path) for role, path in sources.items() if path is not None}
    terms = ComparisonSpec(task, data, valid, test, contents, names, seeds, full_budget, threads, dict(settings))
    for model in names:
        try:
            make_settings(task, model, terms.settings_of(model))
        except RequestError as error:
            raise RequestError(
                f"{model}: {error.what}",
                where=error.where,
                got=error.got,
                expected=error.expected,
                hint=error.hint or f"a setting for one model is written like --set {names[0]}:name=value",
            ) from None
    return terms


def _content(task: str, model: str, data: str) -> str:
    """A hash of the data."""
    recipe = tasks[task].recipe(make_settings(task, model, {}))
    return content_hash(data) if isinstance(recipe, Recipe) else recipe.fingerprint(data)


def _check_settings(task: str, models: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Raises RequestError for settings of models that are not compared, and for tokenizers that differ."""
    for model in models:
        settings_type(task, model)
    for name in settings:
        model, colon, setting = name.partition(":")
        if colon and model not in models:
            raise RequestError(
                "a setting is for a model that is not compared", where="--set", got=name, expected=", ".join(models)
            )
        if colon and full_name(settings_type(task, model), setting).startswith("tokenizer."):
            raise RequestError(
                "the tokenizer is the same for all models", where="--set", got=name, hint=f"set {setting} for all"
            )


def claim_folder(folder: Path, terms: ComparisonSpec) -> None:
    """Writes the specification into a new folder. Raises RequestError if the folder holds another comparison."""
    make_folder(folder)
    path, content = folder / "comparison.json", json.loads(json.dumps(asdict(terms)))
    if not path.exists():
        write_atomic(path, json.dumps(content, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SeqloomError("the file is not JSON", where=str(path), got=str(error)) from None
    changed = [name for name in content if before.get(name) != content[name]]
    if changed:
        raise RequestError(
            "the folder holds another comparison",
            where=str(folder),
            got="; ".join(
                "the content of a file has changed"
                if name == "contents"
                else f"{name}: {before.get(name)} then, {content[name]} now"
                for name in changed
                # Another path already explains other content.
                if name != "contents" or len(changed) == 1
            ),
            hint="give another --out",
        )
