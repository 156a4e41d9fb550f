"""The specification of a comparison: data, models, seeds, budget and settings. A folder holds one comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

from seqloom.comparison.model_specs import ModelSpec, folder_names, parse_model, refuse_equal_models
from seqloom.config import build, full_name, has_effect
from seqloom.data.corpus import Recipe, Sources
from seqloom.data.input_source import content_hash, rereadable
from seqloom.errors import RequestError, SeqloomError, unknown_name
from seqloom.files import make_folder, write_atomic
from seqloom.run import make_settings, settings_type
from seqloom.runtime import cache_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import HasBaselines
from seqloom.training.budget import Budget

TUNED = " (tuned)"
"""Ends the name of a tuned model."""

Equal = Literal["minutes", "parameters", "both"]


@dataclass(frozen=True)
class ComparisonSpec:
    """The content of `comparison.json`. `budget` has one entry. `contents` are the hashes of the files by their roles,
    since a file may change later. `models` are names, with settings or without, baselines included. `settings` named
    `model:setting` are for that model only. `equal`: what is equal for all models, beside the data.
    `tune`: the number of trials of each model; `tuned`: the settings that they found, by the name of the tuned
    model."""

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
    equal: Equal = "minutes"
    baselines: tuple[str, ...] = field(default=())
    split_seed: int = 0
    folds: int = 0
    tune: int = 0
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def specs(self) -> dict[str, ModelSpec]:
        """The models by their names."""
        specs = {name: parse_model(name, self.task) for name in self.models if name not in self.tuned}
        for name, settings in self.tuned.items():
            untuned = specs[name.removesuffix(TUNED)]
            specs[name] = ModelSpec(name, untuned.model, {**untuned.settings, **settings})
        return specs

    @cached_property
    def folders(self) -> dict[str, str]:
        return folder_names(self.models)

    def sources(self, fold: int = 1) -> Sources:
        """The data of the trainings; `fold` if there are folds."""
        fold = fold if self.folds else 0
        return Sources(self.data, self.valid, self.test, self.split_seed, fold=fold, folds=self.folds)

    def settings_of(self, name: str) -> dict[str, Any]:
        """The settings of a model: those for all models, overridden by those for this model, and by those in its name.

        A baseline ignores settings for all models that it does not have or use: n-gram models have no learning rate.
        """
        spec = self.specs[name]
        kind = settings_type(self.task, spec.model)
        shared = {setting: value for setting, value in self.settings.items() if ":" not in setting}
        if spec.model in _baselines(self.task, self.data):
            shared = {setting: value for setting, value in shared.items() if has_effect(kind, setting)}
        targeted: dict[str, Any] = {}
        for setting, value in self.settings.items():
            model, colon, setting_of_model = setting.partition(":")
            if colon and model == spec.model:
                targeted[full_name(kind, setting_of_model)] = value
        targeted |= spec.settings
        # A setting may be named by its short or its full name.
        return (
            {n: v for n, v in shared.items() if full_name(kind, n) not in targeted} | targeted if targeted else shared
        )

    def all_settings(self, name: str, changed: Mapping[str, Any] | None = None) -> Any:
        """All settings of a model, with what is `changed`; those that are not set have the presets of the task."""
        own_settings = {**self.settings_of(name), **(changed or {})}
        return make_settings(self.task, self.specs[name].model, own_settings, self.data)

    def command(self, out: str) -> list[str]:
        """The command line of this comparison."""
        requested = [name for name in self.models if name not in self.baselines and name not in self.tuned]
        words = ["seqloom", "compare", self.task, self.data, "--models", ",".join(requested or self.models)]
        for name, value in {**self.budget, "seeds": self.seeds, "out": out}.items():
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        for name, path in (("valid", self.valid), ("test", self.test), ("threads", self.threads or None)):
            words += [f"--{name}", str(path)] if path is not None else []
        words += ["--equal", self.equal] if self.equal != "minutes" else []
        words += ["--split-seed", str(self.split_seed)] if self.split_seed else []
        words += ["--tune", str(self.tune)] if self.tune else []
        words += ["--folds", str(self.folds)] if self.folds else []
        for assignment in assignments(self.settings):
            words += ["--set", assignment]
        return words


def assignments(settings: Mapping[str, Any]) -> list[str]:
    """The settings as arguments of `--set`. Numbers, strings, booleans and lists are the same in JSON and in TOML."""
    return [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()]


def make_spec(
    task: str,
    data: str,
    valid: str | None,
    test: str | None,
    models: Sequence[str],
    seeds: int,
    budget: Mapping[str, float],
    threads: int,
    settings: Mapping[str, Any],
    equal: str = "minutes",
    split_seed: int = 0,
    folds: int = 0,
    tune: int = 0,
) -> ComparisonSpec:
    """Checks a request before anything is trained. Raises RequestError if it is impossible."""
    _check_numbers(seeds, threads, tune, folds)
    if not models:
        raise RequestError("a comparison needs models", where="--models", expected=", ".join(tasks[task].models()))
    if valid is not None and test is None and not folds:
        raise RequestError(
            "models are not ranked on the data that chooses their weights",
            where="--test",
            hint="give test data too, or leave out --valid: then parts of the data are held out for both",
        )
    if equal not in get_args(Equal):
        raise unknown_name("value of --equal", equal, get_args(Equal))
    full_budget = build(Budget, budget).model_dump(exclude_defaults=True)
    if equal == "both" and "minutes" not in full_budget:
        raise RequestError(
            "--equal both needs a budget in minutes", where="--equal", got=", ".join(full_budget), expected="--minutes"
        )
    requested = tuple(dict.fromkeys(models))
    specs = [parse_model(name, task) for name in requested]
    _check_settings(task, {spec.model for spec in specs}, settings)
    data = rereadable(data, cache_folder())  # every training reads it again
    sources = {"data": data, "valid": valid, "test": test}
    contents = {role: _content(task, specs[0].model, path) for role, path in sources.items() if path is not None}
    baselines = tuple(name for name in _baselines(task, data) if name not in {spec.model for spec in specs})
    names = (*requested, *baselines)
    spec = ComparisonSpec(
        task,
        data,
        valid,
        test,
        contents,
        names,
        seeds,
        full_budget,
        threads,
        dict(settings),
        cast(Equal, equal),
        baselines,
        split_seed,
        folds,
        tune,
    )
    spec.sources()  # raises RequestError for folds that are impossible
    for name in names:
        _check_model(spec, name)
    refuse_equal_models({name: (spec.specs[name].model, spec.all_settings(name)) for name in names})
    return spec


def _check_numbers(seeds: int, threads: int, tune: int, folds: int) -> None:
    """Raises RequestError for numbers that are impossible, alone or together."""
    if seeds < 1:
        raise RequestError("a comparison needs a seed", where="--seeds", got=seeds, expected="1 or more")
    if threads < 0:
        raise RequestError(
            "the number of threads cannot be negative", where="--threads", got=threads, expected="0 or more"
        )
    if tune < 0:
        raise RequestError("the number of trials cannot be negative", where="--tune", got=tune, expected="0 or more")
    if tune and folds:
        raise RequestError(
            "settings are not tuned over folds: they would be chosen by test examples of other folds",
            where="--tune",
            got=tune,
        )


def _baselines(task: str, data: str) -> Sequence[str]:
    implementation = tasks[task]
    return implementation.baselines(data) if isinstance(implementation, HasBaselines) else ()


def _check_model(spec: ComparisonSpec, name: str) -> None:
    """Raises RequestError, with the name of the model, if its settings are impossible."""
    try:
        spec.all_settings(name)
    except RequestError as error:
        raise RequestError(
            f"{name}: {error.what}",
            where=error.where,
            got=error.got,
            expected=error.expected,
            hint=error.hint
            or f"a setting for one model is written like --set {spec.specs[spec.models[0]].model}:name=value",
        ) from None


def _content(task: str, model: str, data: str) -> str:
    """A hash of the data."""
    recipe = tasks[task].recipe(make_settings(task, model, {}))
    return content_hash(data) if isinstance(recipe, Recipe) else recipe.fingerprint(data)


def _check_settings(task: str, models: set[str], settings: Mapping[str, Any]) -> None:
    """Raises RequestError for settings of models that are not compared, and for tokenizers that differ."""
    for name in settings:
        model, colon, setting = name.partition(":")
        if colon and model not in models:
            raise RequestError(
                "a setting is for a model that is not compared",
                where="--set",
                got=name,
                expected=", ".join(sorted(models)),
            )
        if colon and full_name(settings_type(task, model), setting).startswith("tokenizer."):
            raise RequestError(
                "the tokenizer is the same for all models", where="--set", got=name, hint=f"set {setting} for all"
            )


def claim_folder(folder: Path, specification: Mapping[str, Any]) -> None:
    """Writes a specification into a new folder. Raises RequestError if the folder holds another comparison."""
    make_folder(folder)
    path, content = folder / "comparison.json", json.loads(json.dumps(specification))
    if not path.exists():
        write_atomic(path, json.dumps(content, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SeqloomError("the file is not JSON", where=str(path), got=str(error)) from None
    # Comparisons of older versions lack the newer fields.
    defaults = {"equal": "minutes", "baselines": [], "split_seed": 0, "folds": 0, "tune": 0, "tuned": {}}
    changed = [name for name in content if before.get(name, defaults.get(name)) != content[name]]
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
