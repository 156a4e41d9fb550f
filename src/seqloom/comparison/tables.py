"""The scoreboard as a Markdown table and as a LaTeX table, for documents and papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqloom.comparison.scoreboard import Row, table

_LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
_LATEX |= {"^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$", "–": "--"}


def markdown_table(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The table, then the verdict and the warnings."""
    headings, *cells = table(rows, report["score"])
    names = [" ".join(heading.split()) for heading in headings]
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *cells]
    scores = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    answers = [f"**{answer['topic']}**: {answer['text']}" for answer in report.get("answers", [])]
    paragraphs = [scores, report["verdict"], *answers, *report.get("recommendations", [])]
    paragraphs += [*report["warnings"], *report["notes"]]
    return "\n\n".join(paragraphs) + "\n"


def latex_table(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    r"""A `table` with `booktabs` rules; the caption holds the verdict."""
    headings, *cells = table(rows, report["score"])
    names = [latex(" ".join(heading.split())) for heading in headings]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        rf"\caption{{{latex(report['verdict'])}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}",
        r"\toprule",
        " & ".join(names) + r" \\",
        r"\midrule",
        *(" & ".join(map(latex, line)) + r" \\" for line in cells),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """Text with the characters escaped that LaTeX reads as commands."""
    return "".join(_LATEX.get(character, character) for character in text)
