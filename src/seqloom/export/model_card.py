"""The model card: what the model is, its training, scores and use, with the metadata of model hubs."""

from __future__ import annotations

import json
from typing import Any

from seqloom.export.options import ExportOptions
from seqloom.models.tagger import FrameTagger
from seqloom.run import Run

_PIPELINES = {
    "language-model": "text-generation",
    "classify": "text-classification",
    "tag": "token-classification",
    "transcribe": "automatic-speech-recognition",
    "translate": "translation",
    "forecast": "time-series-forecasting",
    "vectors": "feature-extraction",
}
"""The names of the tasks on model hubs."""

_USES = {
    "algorithm": "probabilities, state = model.probabilities(inputs)",
    "classify": 'model.predict(["a line of text"])',
    "describe": "model.predict([[0.5, 1.5, -0.2]])",
    "forecast": "model.forecast(values)",
    "language-model": '"".join(model.generate("Once upon a", temperature=0))\nmodel.score(["a line of text"])',
    "tag": 'model.predict(["a sentence of words"])',
    "tag of numbers": "model.predict([[[0.5, 1.5], [0.1, -0.2]]])",
    "transcribe": 'model.predict(["recording.wav"])',
    "translate": 'model.predict(["a line of text"])',
    "vectors": 'model.similar("king")',
}


def model_card(run: Run, parity: dict[str, Any], options: ExportOptions) -> str:
    plan, scores = run.plan, scores_of(run)
    kind = "tag of numbers" if isinstance(run.model, FrameTagger) else plan.task
    metadata: dict[str, Any] = {
        "license": options.license or "unknown",
        "library_name": "seqloom",
        "pipeline_tag": _PIPELINES.get(kind),
        "language": options.language or None,
        "tags": ["seqloom", "onnx", plan.model],
    }
    lines = ["---", *(f"{name}: {json.dumps(value)}" for name, value in metadata.items() if value), "---", ""]
    lines += [
        f"# {plan.task}: {plan.model}",
        "",
        f"A model of the task `{plan.task}` with {run.num_parameters():,} parameters, trained by Seqloom.",
        "",
        "## Scores",
        "",
        *(["| metric | value |", "|---|---|"] if scores else ["No scores are available."]),
        *(f"| {name} | {value:,.4f} |" for name, value in scores.items()),
        "",
        "## Data",
        "",
        f"Licence of the training data: {options.data_license or 'not stated'}.",
        "",
        "## Use",
        "",
        "```python",
        "import seqloom_portable",
        "",
        'model = seqloom_portable.load("this folder")',
        _USES.get(kind, ""),
        "```",
        "",
        "`manifest.json` has the names, types and shapes of the inputs and outputs of each graph, and which outputs",
        "are fed back as state, for programs in other languages.",
        "",
        "## Parity",
        "",
        *_parity_lines(parity),
    ]
    return "\n".join(lines) + "\n"


def scores_of(run: Run) -> dict[str, float]:
    """The scores at the end of training; those on the test data if there are any."""
    summary = run.summary
    for part in ("test", "valid"):
        split_scores = summary.get(part)
        if isinstance(split_scores, dict):
            return {f"{part} {name}": value for name, value in split_scores.items() if isinstance(value, int | float)}
    return {}


def _parity_lines(parity: dict[str, Any]) -> list[str]:
    answers = parity["answers"]
    lines = [f"Largest difference from the trained model: {parity['largest_difference']:.1e}."]
    if answers["lines"]:
        lines.append(f"Answers on held-out lines: {answers['identical']} of {answers['lines']} identical.")
    if "int8" in parity:
        loss = parity["int8"]
        both = f"{loss['score']} {loss['int8']:.4f}, in single precision {loss['float32']:.4f}"
        lines.append(f"Weights are 8-bit integers: {both}.")
    return lines
