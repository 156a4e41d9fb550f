"""What the best weights of a run give for some examples: continued texts, translations, tags, forecasts, neighbours."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seqloom.config import read_toml
from seqloom.errors import SeqloomError
from seqloom.serving.hosted import ABILITIES
from seqloom.tasks.capabilities import Generates, Predicts, ShowsExamples
from seqloom.tasks.forecast_capability import Forecasts

if TYPE_CHECKING:
    from seqloom.run import Run

_EXAMPLES = 3
_LONGEST = 400
_PROMPT_WORDS, _TOKENS = 4, 40
_NEIGHBOURS = 6
_PAST_STEPS = 60


def output_examples(folder: Path) -> dict[str, Any]:
    """`kind` says what `items` are: `text` continues an `input`; an `answer` stands beside what is `expected` where
    that is known; a `forecast` has the `values` before its `steps`; a `memory` is what heads read and wrote. `held_out`
    says whether the examples are of the validation data. Raises SeqloomError where the run cannot be opened."""
    task = str(read_toml(folder / "config.toml").get("task"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were said when the training began
        if "nearest" in ABILITIES.get(task, ()):  # which needs no torch
            return _neighbours(folder)
        from seqloom.comparison.examples import opened

        with opened(folder, threads=1) as run:
            return _of_run(run)


def _of_run(run: Run) -> dict[str, Any]:
    if isinstance(run.task, Generates):
        return {"kind": "text", "held_out": True, "items": list(_continued(run))}
    if isinstance(run.task, ShowsExamples):
        shown = _shown(run)
        items = [{"input": _cut(e.input), "expected": e.expected, "answer": e.answer} for e in shown]
        return {"kind": "answer", "held_out": True, "items": items}
    if isinstance(run.task, Forecasts):
        return {"kind": "forecast", "held_out": False, "items": [_forecast(run)]}
    if isinstance(run.task, Predicts):
        return _answers(run)
    from seqloom.serving.hosted_run import HostedRun

    hosted = HostedRun("", run)
    memory = [hosted.memory(1)] if "memory" in hosted.abilities else []
    return {"kind": "memory", "held_out": True, "items": memory}


def _validation(run: Run) -> Any:
    """The validation data, which training has left in the cache."""
    from seqloom.data.corpus import prepare
    from seqloom.runtime import cache_folder

    return prepare(run.plan.sources, run.task.recipe(run.plan.settings), cache_folder()).valid


def _shown(run: Run) -> list[Any]:
    """Some examples of the validation data, apart from each other, since neighbours are often alike."""
    data = _validation(run)
    numbers = [min(place * data.num_lines // 16, data.num_lines - 1) for place in range(_EXAMPLES)]
    return cast(ShowsExamples, run.task).show_examples(run.trained, data, sorted(set(numbers)))


def _continued(run: Run) -> Iterator[dict[str, Any]]:
    """Texts after the first words of validation lines; after nothing, where the data is no longer there."""
    try:
        prompts = [" ".join(example.input.split()[:_PROMPT_WORDS]) for example in _shown(run)]
    except SeqloomError:
        prompts = [""]
    for prompt in prompts:
        text = "".join(run.generate(prompt, max_tokens=_TOKENS, seed=1))
        yield {"input": prompt, "answer": _cut(text)}


def _forecast(run: Run) -> dict[str, Any]:
    from seqloom.serving.hosted_run import forecast_step

    rows = list(run.forecast())
    first = [row for row in rows if row.series == rows[0].series]
    panel = cast(Forecasts, run.task).panel(run.trained, run.plan.sources.data)
    values = panel.values[panel.offsets[0] : panel.offsets[1]][-_PAST_STEPS:]
    return {"input": rows[0].series, "values": values.tolist(), "steps": [forecast_step(row) for row in first]}


def _answers(run: Run) -> dict[str, Any]:
    path = run.plan.sources.valid or run.plan.sources.data
    inputs = list(itertools.islice(run.inputs(path), _EXAMPLES))
    names = [item if isinstance(item, str) else f"example {number}" for number, item in enumerate(inputs, 1)]
    answers = run.predict(inputs)
    items = [{"input": _cut(name), "answer": _cut(answer)} for name, answer in zip(names, answers, strict=True)]
    return {"kind": "answer", "held_out": run.plan.sources.valid is not None, "items": items}


def _neighbours(folder: Path) -> dict[str, Any]:
    """Of words that are frequent, but not the most frequent, which have no meaning of their own."""
    from seqloom.run.embeddings import Vectors

    vectors = Vectors.open(folder)
    words = [word for word in vectors.words[len(vectors.words) // 100 :] if len(word) > 4][::7][:_EXAMPLES]
    items = [{"input": word, "answer": ", ".join(near.word for near in vectors.similar(word, _NEIGHBOURS))}
             for word in words or vectors.words[:_EXAMPLES]]  # fmt: skip
    return {"kind": "answer", "held_out": False, "items": items}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
