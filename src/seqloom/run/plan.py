"""What a training depends on, and checks of the folder that it writes to."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import create_model

from seqloom.config import Settings, build, check_effects, flatten, full_name, leaves, read_toml
from seqloom.data.corpus import Recipe, Sources
from seqloom.data.input_source import content_hash, files_of
from seqloom.data.splits import FIRST_RULE
from seqloom.data.tables.columns import columns_text
from seqloom.errors import RequestError, unknown_name
from seqloom.files import make_folder, reading, writing
from seqloom.formats.vector_sources import dim_of
from seqloom.models.fitted import PARTS, FittedByPasses, FittedInOnePass, FittedSettings
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import FitsWithoutGradients
from seqloom.tasks.task import PresetByData, Task
from seqloom.training.budget import Budget
from seqloom.training.settings import TrainingSettings
from seqloom.training.trainer import Trainer

FORMAT = 1


@dataclass(frozen=True)
class Ancestor:
    """A run that a training was initialised from: its folder, the hashes (SHA-256) of its weights and of its tokenizer
    or other codec, and what was taken from it."""

    run: str
    task: str
    model: str
    weights: str
    tokenizer: str
    taken: str = ""


@dataclass(frozen=True)
class Plan:
    """All that a training depends on, as `config.toml` holds it. `contents`: the hash of each data file by its role,
    because a path may hold other data later; empty for runs of older versions. `ancestry`: the run that it was
    initialised from, then the one that this was initialised from, and so on."""

    task: str
    model: str
    sources: Sources
    budget: Budget
    seed: int
    settings: Settings
    contents: dict[str, str] = field(default_factory=dict)
    ancestry: tuple[Ancestor, ...] = ()

    def to_toml(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "task": self.task,
            "model": self.model,
            "seed": self.seed,
            "sources": {name: path for name, path in asdict(self.sources).items() if path is not None},
            "budget": self.budget.model_dump(exclude_defaults=True),
            "settings": self.settings.model_dump(),
            "contents": self.contents,
            **({"ancestry": [asdict(ancestor) for ancestor in self.ancestry]} if self.ancestry else {}),
        }

    def reading(self, columns: Mapping[str, str | int] | None) -> Settings:
        """The settings, with other columns of the data if any are chosen. Raises RequestError for a task whose models
        depend on the columns."""
        changes = column_settings(self.task, columns or {})
        if not all(name.rpartition(".")[2] == "columns" for name in changes):
            raise RequestError("this run reads the columns that it was trained on", where="columns", got=columns)
        return build(type(self.settings), flatten(self.settings), changes) if changes else self.settings

    def files(self, path: str) -> list[str]:
        """The files that a path denotes: see `files_of`. A task with a format of its own, such as recordings, takes a
        folder as it is."""
        return files_of(path) if self._reads_files() else [path]

    def hashes(self, sources: Sources) -> dict[str, str]:
        """The hash of the data by its role; synthetic data and folders of recordings have none."""
        paths = sources.paths().items()
        return {role: content_hash(path) for role, path in paths if self._reads_files() or Path(path).is_file()}

    def _reads_files(self) -> bool:
        return isinstance(tasks[self.task].recipe(self.settings), Recipe)

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """The plan of the training in a folder. Raises RequestError if the folder holds none."""
        config = folder / "config.toml"
        with reading(folder):
            if not config.exists():
                raise RequestError("the folder holds no run", where=str(folder), expected="a folder with config.toml")
        return cls.from_toml(read_toml(config), config)

    @classmethod
    def load_trained(cls, folder: Path) -> Plan:
        """The same of a training that has saved a model. Raises RequestError if it has not saved one yet."""
        plan = cls.load(folder)
        if not (folder / "model.safetensors").exists():
            raise RequestError(
                "the run has no model yet",
                where=str(folder),
                hint="its training was stopped early; continue it with --resume",
            )
        return plan

    @classmethod
    def from_toml(cls, content: Mapping[str, Any], where: Path) -> Plan:
        if content.get("format") != FORMAT:
            raise RequestError(
                "the run was written by another version", where=str(where), got=content.get("format"), expected=FORMAT
            )
        try:
            kind = settings_type(content["task"], content["model"])
            if type(content["seed"]) is not int or not 0 <= content["seed"] < 2**32:
                raise ValueError(f"seed = {content['seed']!r}")
            sources = Sources(**{"split_rule": FIRST_RULE, **content["sources"]})
            if not all(isinstance(path, str) for path in sources.paths().values()):
                raise ValueError(f"sources = {content['sources']!r}")
            return cls(
                task=content["task"],
                model=content["model"],
                sources=sources,
                budget=build(Budget, content["budget"]),
                seed=content["seed"],
                settings=kind.model_validate(content["settings"]),
                contents={str(role): str(digest) for role, digest in content.get("contents", {}).items()},
                ancestry=tuple(
                    Ancestor(**{name: str(value) for name, value in ancestor.items()})
                    for ancestor in content.get("ancestry", ())
                ),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RequestError("the run's configuration is damaged", where=str(where), got=repr(error)) from None


@functools.cache
def settings_type(task: str, model: str) -> type[Settings]:
    """The class of all settings of a training: those of the task, of the model and, for a network, of the training."""
    task_settings = tasks[task].settings(model)
    if issubclass(task_settings, FittedSettings):
        return task_settings
    return create_model("RunSettings", __base__=task_settings, training=(TrainingSettings, TrainingSettings()))


def make_settings(
    task: str,
    model: str,
    overrides: Mapping[str, Any],
    data: str | None = None,
    inherited: Mapping[str, Any] | None = None,
) -> Settings:
    """The defaults, changed by the model's preset, then by the values `inherited` from another run, and then by
    `overrides` (names may be short). An embedding initialised from pretrained vectors gets their dimension.

    `data`: the path of the training data, whose name may say what kind of data it is; the file is not read.
    """
    kind = settings_type(task, model)
    overrides = {full_name(kind, name): value for name, value in overrides.items()}
    definition = tasks[task]
    if data is not None and isinstance(definition, PresetByData):
        preset = definition.preset_for(model, overrides, data)
    else:
        preset = definition.preset(model, overrides)
    defaults = {full_name(kind, name): value for name, value in preset.items()}
    for name, source in overrides.items():
        if name.endswith(".from") and source:
            defaults[f"{name.removesuffix('from')}dim"] = dim_of(str(source))
    settings = build(kind, defaults, inherited or {}, overrides)
    check_effects(settings, overrides)
    return settings


def column_settings(task: str, columns: Mapping[str, str | int]) -> dict[str, Any]:
    """The settings that choose these columns: one for each role where the task has settings of the names of the roles,
    as `forecast` has, otherwise the setting `columns`."""
    if not columns:
        return {}
    known = leaves(settings_type(task, tasks[task].default_model))
    name = next((leaf for leaf in known if leaf.rpartition(".")[2] == "columns"), None)
    if name is not None:
        return {name: columns_text(columns)}
    roles = [leaf.removeprefix("data.") for leaf in known if leaf.startswith("data.") and leaf[5:] in _SERIES_ROLES]
    for role in columns:
        if role not in roles:
            raise unknown_name("role of a column", role, roles, where="columns")
    return {f"data.{role}": [str(c)] if role in _SEVERAL else str(c) for role, c in columns.items()}


_SERIES_ROLES = ("time", "series", "target", "past", "ahead", "static")
_SEVERAL = ("target", "past", "ahead", "static")
"""Roles that several columns may have."""


def sizes(settings: Settings) -> dict[str, Any]:
    """The settings that say how large the network and its batches are."""
    endings = ("size", "dim", "num_layers", "horizon", "tokens_per_batch", "order")
    return {name: value for name, value in flatten(settings).items() if name.endswith(endings)}


def check_folder(folder: Path, plan: Plan, resume: bool) -> None:
    """Raises RequestError where a new training would overwrite a run, and where a run would be resumed with other
    settings or data than it has."""
    with writing(folder):
        holds_run, is_file = (folder / "config.toml").exists(), folder.exists() and not folder.is_dir()
    if is_file:
        raise RequestError("there is a file where the run's folder should be", where=str(folder))
    if not holds_run:
        return
    if not resume:
        raise RequestError(
            "the folder already holds a run", where=str(folder), hint="resume it with --resume, or give another --out"
        )
    before = Plan.load(folder)
    if before.contents and plan.contents and before.contents != plan.contents:
        roles = [role for role in plan.contents if before.contents.get(role) != plan.contents[role]]
        raise RequestError(
            "the data is no longer what the run was trained on",
            where=str(folder),
            got=f"other content of {', '.join(asdict(plan.sources)[role] for role in roles)}" if roles else None,
            hint="give another --out",
        )
    if replace(before, contents=plan.contents) == plan:
        return
    old, new = ({**p.to_toml(), "settings": flatten(p.settings)} for p in (before, plan))
    changed = [n for n in old["settings"] | new["settings"] if old["settings"].get(n) != new["settings"].get(n)]
    changed += [name for name in ("task", "model", "seed", "sources", "budget") if old[name] != new[name]]
    changed += ["--from"] if before.ancestry != plan.ancestry else []
    raise RequestError(
        "a run is resumed with the settings it has",
        where=str(folder),
        got=f"other values of {', '.join(changed)}",
        hint="leave them as they were, or give another --out",
    )


def copy_run(folder: Path, target: Path) -> None:
    """Copies a run without its checkpoint. Raises RequestError if the folder `target` is not empty."""
    if target.exists() and any(target.iterdir()):
        raise RequestError("the folder is not empty", where=str(target))
    make_folder(target)
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, target / path.name)
    if (folder / PARTS).exists():
        shutil.copytree(folder / PARTS, target / PARTS)


def trainer_for(task: Task, model: str, settings: Any) -> Trainer:
    """The trainer of a task's model: by gradients, by passes or in one pass. Only the one that is needed is imported,
    since torch is large and slow to import."""
    fitted = task.fitted(model, settings) if isinstance(task, FitsWithoutGradients) else None
    if isinstance(fitted, FittedByPasses):
        from seqloom.training.passes import PassTrainer

        return PassTrainer(task, fitted, settings)
    if isinstance(fitted, FittedInOnePass):
        from seqloom.training.one_pass import OnePassTrainer

        return OnePassTrainer(task, fitted, settings)
    assert fitted is None, f"{type(fitted).__name__} is fitted in no known way"
    from seqloom.training.gradients import GradientTrainer

    return GradientTrainer(task, model, settings)
