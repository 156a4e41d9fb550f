"""Writes docs/scoreboard.md from runs/demo/report.json, which `make demo` leaves; `make format` copies it to README."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from generated import table

from seqloom.comparison import scoreboard
from seqloom.comparison.scoreboard import Row
from seqloom.comparison.statistics import Estimate

_ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    path = _ROOT / "runs" / "demo" / "report.json"
    if not path.exists():
        sys.exit(f"not there: {path}; make demo writes it")
    report = json.loads(path.read_text(encoding="utf-8"))
    terms, machine = report["terms"], report["machine"]
    budget = ", ".join(f"{value:g} {name}" for name, value in terms["budget"].items())
    settings = ", ".join(f"`{name}={value}`" for name, value in terms["settings"].items()) or "own settings"
    rows = [Row(**{**row, "score": Estimate(**row["score"])}) for row in report["rows"]]
    headings, *cells = scoreboard.table(rows, report["score"])
    scores = table(tuple(" ".join(heading.split()) for heading in headings), list(map(tuple, cells)))
    aligned = scores.splitlines()
    aligned[1] = "|---" + "|---:" * (len(headings) - 1) + "|"
    text = "\n".join(aligned) + (
        f"\n\n{report['verdict']}\n\n"
        f"*{Path(terms['data']).name}, {budget} per training, "
        f"{terms['seeds']} seed{'s' if terms['seeds'] > 1 else ''}, "
        f"{settings}; {machine['processor']}, threads: {machine['threads']}, torch {machine['torch']}.*\n"
    )
    (_ROOT / "docs" / "scoreboard.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
