"""`report.html`: the scoreboard, its verdict and charts on one page that needs nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from seqloom.comparison.charts import Point, Series, curves, scatter
from seqloom.comparison.scoreboard import Row, headings
from seqloom.page import COLOURS, page

_STYLE = """
.verdict { font-size: 1.1rem; background: var(--tint); border-left: 4px solid var(--soft); border-radius: 0 8px 8px 0;
  padding: .85rem 1.1rem; margin: 1.4rem 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .5rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th { font-weight: 600; color: var(--soft); font-size: .8rem; line-height: 1.25; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; padding-left: 0 } tr.first td { font-weight: 650 }
.key { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .55rem }
svg { width: 100%; height: auto }
.grid { stroke: var(--rule) } .axis { stroke: var(--soft); stroke-opacity: .6 }
.curve { fill: none; stroke-width: 1.4; stroke-linejoin: round; stroke-opacity: .8 }
.bar { fill: none; stroke-width: 1.6 }
.dot { stroke: transparent; stroke-width: 10 } .dot:hover { stroke: currentColor; stroke-opacity: .2 }
.name { font-weight: 600; font-size: 13px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: .75rem 0; font-size: .95rem }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
@media print { .verdict { break-inside: avoid } }
""" + "\n".join(
    f".curve.c{i}, .bar.c{i} {{ stroke: var(--c{i}) }} .dot.c{i}, .name.c{i} {{ fill: var(--c{i}) }} "
    f".key.c{i} {{ background: var(--c{i}) }}"
    for i in range(COLOURS)
)


def report_html(report: dict[str, Any]) -> str:
    """The page for what `report.json` holds. Everything in it is escaped; it loads nothing from anywhere."""
    rows = [Row.from_json(row) for row in report["rows"]]
    score, terms = report["score"], report["terms"]
    metric = score.rpartition(" ")[2]
    better = "lower" if report["lower_is_better"] else "higher"
    colours = {model: number for number, model in enumerate(terms["models"])}
    learning = curves(
        [Series(row.model, colours[row.model], row.curves) for row in rows], f"validation {metric}, {better} is better"
    )
    size = scatter(
        [Point(row.model, colours[row.model], row.parameters, row.score.mean, row.score.half_width) for row in rows],
        "parameters",
        f"{score}, {better} is better",
    )
    several = terms["seeds"] > 1
    corner = f"{'down' if report['lower_is_better'] else 'up'} and to the left"
    body = f"""<h1>{len(rows)} model{"s" if len(rows) > 1 else ""} on {escape(Path(terms["data"]).name)}</h1>
<p class="soft">{escape(terms["task"])} · {escape(_budget(terms))} a training · {_count(terms["seeds"], "seed")} ·
{escape(report["date"][:10])}</p>
<p class="verdict">{escape(report["verdict"])}</p>
<div class="wide">{_table(rows, score, colours)}</div>
<p class="soft">{escape(" ".join(report["notes"]))}</p>
<h2>Learning against time</h2>
<p class="soft">{"A line is one seed. " if several else ""}Each point is an evaluation on the validation text.</p>
{learning}
<h2>Quality against size</h2>
<p class="soft">{"Bars are the 95 % intervals. " if several else ""}Further {corner} is more for less.</p>
{size}
<h2>How it was measured</h2>
{_terms(report)}"""
    return page(f"{terms['task']}: {', '.join(terms['models'])}", body, _STYLE)


def _table(rows: list[Row], score: str, colours: dict[str, int]) -> str:
    head = "".join(f"<th>{escape(heading).replace(chr(10), '<br>')}</th>" for heading in headings(score))
    lines = []
    for number, row in enumerate(rows):
        model, *numbers = row.cells()
        key = f'<span class="key c{colours[row.model] % COLOURS}"></span>'
        cells = f"<td>{key}{escape(model)}</td>" + "".join(f"<td>{escape(cell)}</td>" for cell in numbers)
        lines.append(f"<tr{' class=first' if number == 0 else ''}>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _budget(terms: dict[str, Any]) -> str:
    return ", ".join(f"{value:g} {name if value != 1 else name[:-1]}" for name, value in terms["budget"].items())


def _terms(report: dict[str, Any]) -> str:
    terms, machine = report["terms"], report["machine"]
    held_out = "5 % of the data, by a hash of each line's content, so that equal lines never fall on both sides"
    about = {
        "equal terms": "one split and one tokenizer for all models, each training in a process of its own, one after "
        f"the other, {_budget(terms)} each, {_count(machine['threads'], 'thread')}",
        "data": terms["data"],
        "validation": terms["valid"] or held_out,
        "test": terms["test"] or (held_out if terms["valid"] is None else "none: scored on the validation text"),
        "settings": ", ".join(f"{name} = {value}" for name, value in terms["settings"].items()) or "each model's own",
        "score": "of the weights that were best on the validation text",
        "training tokens/s": "median over seeds, validation left out",
        "online ms/token": "median of 200 steps on the CPU, one token at a time, the state carried (first seed)",
        "peak memory": "of the training process, the largest over seeds",
        "machine": f"{machine['processor']}, {_count(machine['cores'] or 1, 'core')}, torch {machine['torch']}, "
        f"Python {machine['python']}",
        "date": report["date"],
    }
    entries = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in about.items())
    return f"<dl>{entries}<dt>command</dt><dd><code>{escape(report['command'])}</code></dd></dl>"
