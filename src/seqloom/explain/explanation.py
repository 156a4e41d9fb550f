"""`explain`: measures runs on the same data, judges them, and says what to change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqloom.charts.figure import AltairFigure
from seqloom.charts.page import Page
from seqloom.data.input_source import DataSource
from seqloom.errors import RequestError
from seqloom.explain.charts.section import Section
from seqloom.explain.explanation_page import explanation_page
from seqloom.explain.findings import findings
from seqloom.explain.measured import measure_run
from seqloom.explain.measures.count_models import back_off, class_weights
from seqloom.explain.prescriptions import context_prescriptions, prescriptions
from seqloom.explain.results import Results
from seqloom.explain.sections import sections
from seqloom.explain.trials import try_prescriptions
from seqloom.explain.verdict import sentences, sentences_of_all
from seqloom.files import make_folder, write_atomic
from seqloom.models.bag_of_words import BagOfWords
from seqloom.models.ngram.model import NgramModel
from seqloom.run import Run


class Explanation(Results):
    """Results with their page and their JSON."""

    @cached_property
    def sections(self) -> list[Section]:
        """The charts, in the order of the page."""
        return list(sections(self))

    def to_json(self) -> dict[str, Any]:
        """All that was measured, and the numbers of every chart; null stands for what is not finite."""
        charts = {}
        for title, figure, about, limits in self.sections:
            numbers = _inline_values(figure.spec) if isinstance(figure, AltairFigure) else []
            charts[figure.name] = {"title": title, "about": about, "limits": limits, "numbers": numbers}
        return _plain({**asdict(self), "charts": charts})

    def page(self) -> Page:
        return explanation_page(self, self.sections)

    def write(self, folder: str | Path, figures: str | Path | None = None) -> None:
        """`explain.html` and `explain.json` in a folder; each chart in `figures` as SVG."""
        folder = make_folder(Path(folder))
        self.page().write(folder / "explain.html", None if figures is None else Path(figures))
        write_atomic(folder / "explain.json", json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n")


def explain(
    runs: Sequence[Run],
    data: DataSource,
    *,
    columns: Mapping[str, str | int] | None = None,
    example: int | None = None,
    text: str | None = None,
    tries: int = 0,
    folder: str | Path | None = None,
) -> Explanation:
    """Explains runs of one task on the same data.

    `columns`: those of the data, by default the ones of the training. `example`: the number of the example, from 1 on,
    whose inputs are weighed, or `text`; with neither, the first that can be weighed. `tries`: so many of the first
    prescriptions are trained, with repeats of the run's own settings as the control, in `folder`/trials. Raises
    RequestError where the runs are of different tasks.
    """
    tasks = {run.plan.task for run in runs}
    if len(tasks) != 1:
        raise RequestError("runs of one task can be explained together", got=", ".join(sorted(tasks)) or "no run")
    names = _names(runs)
    encoded = [run.read(data, columns) for run in runs]
    measured = [
        measure_run(run, part, name, example, text) for run, part, name in zip(runs, encoded, names, strict=True)
    ]
    by_run = [findings(each) for each in measured]
    cures = [*prescriptions(runs[0], by_run[0]), *context_prescriptions(runs[0], measured[0])]
    trials = []
    if tries:
        if folder is None:
            raise RequestError("trials need a folder", where="tries", expected="the folder of the explanation")
        trials = try_prescriptions(runs[0], cures[:tries], Path(folder) / "trials")
    parts = list(zip(runs, encoded, names, strict=True))
    verdict = [*sentences(names, by_run), *sentences_of_all(measured)]
    return Explanation(
        verdict, by_run, cures, measured,
        {name: back_off(run.model, part) for run, part, name in parts if isinstance(run.model, NgramModel)},
        {name: class_weights(run) for run, _, name in parts if isinstance(run.model, BagOfWords)}, trials,
    )  # fmt: skip


def _names(runs: Sequence[Run]) -> list[str]:
    """The models; where some are equal, the names of the folders, or their paths where these are equal too."""
    models, folders = [run.plan.model for run in runs], [run.folder.resolve() for run in runs]
    if len(set(folders)) < len(folders):
        raise RequestError("a run was given twice", got=", ".join(map(str, folders)), expected="each run once")
    choices = (models, [folder.name for folder in folders], list(map(str, folders)))
    return next(names for names in choices if len(set(names)) == len(names))


def _inline_values(spec: Any) -> list[Any]:
    """The rows of all data that stand in a description of Vega-Lite, inline or under a name."""
    if isinstance(spec, Mapping):
        rows = _rows(spec.get("values")) + [row for named in _datasets(spec) for row in _rows(named)]
        return rows + [row for part in spec.values() for row in _inline_values(part)]
    return [row for part in spec for row in _inline_values(part)] if isinstance(spec, list) else []


def _datasets(spec: Mapping[str, Any]) -> list[Any]:
    named = spec.get("datasets")
    return list(named.values()) if isinstance(named, Mapping) else []


def _rows(values: Any) -> list[Any]:
    return [row for row in values if isinstance(row, Mapping)] if isinstance(values, list) else []


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
