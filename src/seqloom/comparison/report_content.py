"""What a comparison reports: the content of `report.json`, and the files that show it."""

from __future__ import annotations

import json
import os
import platform
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from seqloom.comparison.advice import next_steps, recommendations
from seqloom.comparison.differences import Difference, pairwise, to_leader
from seqloom.comparison.fairness import busy_machine, warnings
from seqloom.comparison.questions import ModelFacts, answers
from seqloom.comparison.results import Results
from seqloom.comparison.scoreboard import Row, notes, scoreboard
from seqloom.comparison.tables import latex_table, markdown_table
from seqloom.comparison.verdict import nothing_learnt, verdict
from seqloom.files import write_atomic
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Incomparable


@dataclass(frozen=True)
class Comparison:
    """The result: `rows` of the scoreboard, the best first; `report`, the content of `report.json`; `folder`, which
    holds `report.json` and `report.html`."""

    folder: Path
    rows: list[Row]
    report: dict[str, Any]

    def __str__(self) -> str:
        report = self.report
        answered = [f"{answer['topic']}: {answer['text']}" for answer in report.get("answers", [])]
        steps = [f"To try next: {step}." for step in report.get("next_steps", [])]
        warned = [f"Warning: {warning}" for warning in report["warnings"]]
        advice = [*answered, *report.get("recommendations", []), *steps]
        sentences = [report["verdict"], *advice, *warned, *report["notes"]]
        return "\n\n".join(
            [scoreboard(self.rows, report["score"]), "\n".join(textwrap.fill(text, 100) for text in sentences)]
        )


def make_report(
    results: Results,
    terms: Mapping[str, Any],
    command: str,
    facts: Mapping[str, ModelFacts],
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """The content of `report.json`. `facts`: the model and the settings of each name. A report of models whose scores
    do not say which is better, of a busy machine, or of models that
    have learnt nothing, answers no questions. `left_out`: models that the verdict ignores.
    """
    incomparable = _incomparable(terms["task"], facts)
    undecided = incomparable or busy_machine(results.rows, terms["budget"], left_out)
    left_out = () if undecided else left_out
    models = [results.scores[row.model] for row in results.rows if row.model not in left_out]
    pairs = [] if undecided else pairwise(models, results.lower_is_better)
    differences = to_leader(pairs, models)
    report = {
        "task": terms["task"],
        "score": results.score,
        "lower_is_better": results.lower_is_better,
        "verdict": undecided or verdict(models, differences, results.score, results.lower_is_better, results.unit),
        "notes": notes(results.rows, results.unit, left_out),
        "warnings": warnings(
            results.rows, differences, results.unit, results.lower_is_better, terms["budget"], not incomparable
        ),
        "leader": models[0].model,
        "differences": [difference.to_json() for difference in differences],
        "pairs": [difference.to_json() for difference in pairs],
        "examples": {"number": results.examples, "unit": results.unit},
        "terms": dict(terms),
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": results.rows[0].threads,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "rows": [row.to_json() for row in results.rows],
        "runs": results.runs,
    }
    if not undecided and not nothing_learnt(models[0].mean, results.score, results.lower_is_better):
        report |= _advice(results, [row for row in results.rows if row.model not in left_out], pairs, facts, terms)
    return report


def _incomparable(task_name: str, facts: Mapping[str, ModelFacts]) -> str:
    """Why the scores of the models do not say which is better; empty if they do."""
    task = tasks[task_name]
    return task.apart(list(dict.fromkeys(f.model for f in facts.values()))) if isinstance(task, Incomparable) else ""


def _advice(
    results: Results,
    rows: Sequence[Row],
    pairs: Sequence[Difference],
    facts: Mapping[str, ModelFacts],
    terms: Mapping[str, Any],
) -> dict[str, Any]:
    """The parts of the report that answer questions: `answers`, `recommendations`, `next_steps`. `rows`: those of the
    models in the verdict."""
    differences = [difference for difference in pairs if difference.reference == rows[0].model]
    available = tasks[terms["task"]].models()
    cannot_tune = bool(terms.get("tune")) or not terms["budget"]  # without a budget, the runs were finished before
    return {
        "answers": [
            answer._asdict() for answer in answers(rows, pairs, facts, results.score, terms["task"], results.unit)
        ],
        "recommendations": recommendations(rows, differences, results.score),
        "next_steps": next_steps(rows, differences, facts, results.lower_is_better, available, cannot_tune),
    }


def write_report(results: Results, report: dict[str, Any], folder: Path, figures: Path | None) -> Comparison:
    from seqloom.comparison.report import report_page  # charts take a third of a second to import

    report = json.loads(json.dumps(report))  # the same as reading the file gives
    write_atomic(folder / "report.json", json.dumps(report, indent=2) + "\n")
    write_atomic(folder / "report.md", markdown_table(report, results.rows))
    write_atomic(folder / "report.tex", latex_table(report, results.rows))
    report_page(report).write(folder / "report.html", figures)
    return Comparison(folder, results.rows, report)


def _processor() -> str:
    """The name of the processor if the system reports it, otherwise its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
