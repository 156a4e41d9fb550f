"""Sizes at which all networks have the same number of parameters, within 2 %."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seqloom.comparison.spec import ComparisonSpec
from seqloom.comparison.verdict import percent
from seqloom.config import flatten, leaves
from seqloom.data.corpus import Corpus, prepare
from seqloom.errors import RequestError
from seqloom.files import write_atomic
from seqloom.memory import within_memory
from seqloom.runtime import cache_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import FitsWithoutGradients
from seqloom.tasks.network_task import NetworkTask
from seqloom.training.reports import read_json

TOLERANCE = 0.02
_MOST_HALVINGS, _MOST_DOUBLINGS, _BISECTIONS = 8, 6, 14

Sizes = dict[str, int]
Count = Callable[[Mapping[str, int]], int]


def equal_sizes(spec: ComparisonSpec, folder: Path) -> dict[str, Sizes]:
    """For each network but the first, the settings that give it as many parameters as the first; `sizes.json` in the
    folder of the comparison keeps them. Models that are no networks, or have no size, are left as they are.

    Raises RequestError if a model cannot reach the number within 2 %.
    """
    path = folder / "sizes.json"
    if path.exists():
        return {name: {k: int(v) for k, v in sizes.items()} for name, sizes in read_json(path).items()}
    result: dict[str, Sizes] = {}
    target, reference = 0, ""
    for name in spec.models:
        count, base = _counter(spec, name), size_settings(spec, name)
        if count is None or not base:
            continue
        if not target:
            target, reference = count({}), name
            continue
        result[name] = solve(count, base, _steps(spec, name, base), target, f"{name}, to equal {reference}")
    write_atomic(path, json.dumps(result, indent=2) + "\n")
    return result


def size_settings(spec: ComparisonSpec, name: str) -> Sizes:
    """The settings that say how large the layers of a model are, and their values, the coarsest first."""
    settings = spec.all_settings(name)
    values, ranked = flatten(settings), []
    for setting, group in leaves(type(settings)).items():
        last = setting.rsplit(".", 1)[-1]
        if last in group.size_settings:
            ranked.append((group.size_settings.index(last), setting))
    sizes = {setting: int(values[setting]) for _, setting in sorted(ranked)}
    for setting, value in sizes.items():
        if not value:  # feed_forward_size 0 is 4 * model_dim
            sizes[setting] = 4 * values[f"{setting.rsplit('.', 1)[0]}.model_dim"]
    return sizes


def _steps(spec: ComparisonSpec, name: str, base: Sizes) -> Sizes:
    """What each size must be divisible by: model_dim by twice the number of heads."""
    values = flatten(spec.all_settings(name))
    return {
        setting: 2 * values[f"{setting.rsplit('.', 1)[0]}.num_heads"] if setting.endswith("model_dim") else 1
        for setting in base
    }


def _counter(spec: ComparisonSpec, name: str) -> Count | None:
    """A function from changed settings to the number of parameters; None if the model is not a network."""
    task, model = tasks[spec.task], spec.specs[name].model
    settings = spec.all_settings(name)
    if isinstance(task, FitsWithoutGradients) and task.fitted(model, settings) is not None:
        return None
    if not isinstance(task, NetworkTask):
        return None
    corpus: Corpus[Any, Any] = prepare(spec.sources(), task.recipe(settings), cache_folder())

    def count(sizes: Mapping[str, int]) -> int:
        changed = spec.all_settings(name, sizes)
        with within_memory(dict(sizes)):
            return sum(parameter.numel() for parameter in task.build(corpus, model, changed).parameters())

    return count


def solve(count: Count, base: Sizes, steps: Sizes, target: int, where: str) -> Sizes:
    """Sizes with `target` parameters within 2 %: all sizes times one factor, then the last one alone.

    `count` grows with every size. `steps`: what each size is divisible by.
    """

    def scaled(factor: float) -> Sizes:
        return {n: max(steps[n], round(value * factor / steps[n]) * steps[n]) for n, value in base.items()}

    tried: dict[int, Sizes] = {}

    def parameters(sizes: Sizes) -> int:
        number = count(sizes)
        tried[number] = sizes
        return number

    low, high = 1.0, 1.0
    for _ in range(_MOST_HALVINGS):
        if parameters(scaled(low)) <= target:
            break
        low /= 2
    for _ in range(_MOST_DOUBLINGS):
        if parameters(scaled(high)) >= target:
            break
        high *= 2
    for _ in range(_BISECTIONS):
        if _is_near(nearest := _nearest(tried, target), target) or low >= high:
            break
        middle = math.sqrt(low * high)
        low, high = (middle, high) if parameters(scaled(middle)) < target else (low, middle)
    nearest = _nearest(tried, target)
    if not _is_near(nearest, target):
        _adjust_last(parameters, tried[nearest], list(base)[-1], target)
        nearest = _nearest(tried, target)
    if not _is_near(nearest, target):
        raise RequestError(
            "a model cannot have the same number of parameters",
            where=where,
            got=f"{nearest:,} parameters with {', '.join(f'{n}={v}' for n, v in tried[nearest].items())}",
            expected=f"{target:,} within {percent(TOLERANCE)}",
            hint="change embedding.dim or num_layers of one of the models, or put another model first",
        )
    return tried[nearest]


def _adjust_last(parameters: Callable[[Sizes], int], sizes: Sizes, setting: str, target: int) -> None:
    """Bisects the last size, the others as they are."""
    low, high = 1, 4 * sizes[setting]
    while low < high:
        middle = (low + high) // 2
        number = parameters({**sizes, setting: middle})
        if _is_near(number, target):
            return
        low, high = (middle + 1, high) if number < target else (low, middle)


def _nearest(tried: Mapping[int, Sizes], target: int) -> int:
    return min(tried, key=lambda number: abs(number - target))


def _is_near(number: int, target: int) -> bool:
    return abs(number - target) <= TOLERANCE * target
