"""`report.html`: the verdict, the scoreboard and the charts on one page that opens offline."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from seqloom.charts.figure import Figure
from seqloom.charts.page import Page
from seqloom.charts.theme import series_colour
from seqloom.comparison.differences import Difference
from seqloom.comparison.report_charts import cost_charts, difference_chart, learning_curves
from seqloom.comparison.scoreboard import Row, table
from seqloom.comparison.verdict import many, metric_name, plain, score_name

_STYLE = """
.verdict { font-size: 1.1rem; background: var(--tint); border-left: 4px solid var(--soft); border-radius: 0 8px 8px 0;
  padding: .85rem 1.1rem; margin: 1.4rem 0 }
.warnings { margin: 1rem 0; padding: .7rem 1.1rem .7rem 2.2rem; border: 1px solid var(--rule); border-left: 4px solid
  var(--c1); border-radius: 0 8px 8px 0; font-size: .95rem } .warnings li { margin: .25rem 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .5rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th { font-weight: 600; color: var(--soft); font-size: .8rem; line-height: 1.25; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; padding-left: 0 } tr.first td { font-weight: 650 }
.grid { display: grid; gap: 1.5rem } .grid h3 { font-size: 1rem; margin: 1rem 0 0 } .grid section { min-width: 0 }
@media (min-width: 800px) { .grid { grid-template-columns: 1fr 1fr } }
.examples td { text-align: left; white-space: normal; vertical-align: top; min-width: 6rem; overflow-wrap: anywhere }
.examples td:first-child { min-width: 14rem } .examples th { text-align: left }
.key { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .55rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: .75rem 0; font-size: .95rem }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 500px) { dl { grid-template-columns: 1fr } dt { margin-top: .5rem } }
@media print { .verdict, tr { break-inside: avoid } }
"""


def report_page(report: dict[str, Any]) -> Page:
    """The page for what `report.json` holds."""
    rows = [Row.from_json(row) for row in report["rows"]]
    score, terms = report["score"], report["terms"]
    better = "lower" if report["lower_is_better"] else "higher"
    colours = {model: number for number, model in enumerate(terms["models"])}
    learning = learning_curves(rows, colours, f"validation {metric_name(score)}, {better} is better")
    costs = cost_charts(rows, colours, f"{score_name(score)}, {better} is better", report["lower_is_better"])
    several = terms["seeds"] > 1
    differences = [Difference.from_json(content) for content in report.get("differences", [])]
    tested = any(difference.p is not None for difference in differences)
    behind = difference_chart(differences, colours, score_name(score)) if tested else None
    sections = "".join(f"<section><h3>{escape(cost.title)}</h3>{c.html()}</section>" for cost, c in costs.items())
    corner = f"{'down' if report['lower_is_better'] else 'up'} and to the left"
    body = f"""<h1>{len(rows)} model{"s" if len(rows) > 1 else ""} on {escape(Path(terms["data"]).name)}</h1>
<p class="soft">{escape(terms["task"])} · {escape(_training_terms(terms))} · {escape(report["date"][:10])}</p>
<p class="verdict">{escape(report["verdict"])}</p>
{_advice(report)}{_warnings(report)}<div class="wide">{_table(rows, score, colours)}</div>
<p class="soft">{escape(" ".join(report["notes"]))}</p>
{_differences(report, score, behind)}<h2>Learning against time</h2>
<p class="soft">{"A line is one seed. " if several else ""}Each point is an evaluation on the validation data.</p>
{learning.html()}
<h2>Quality against cost</h2>
<p class="soft">{"Bars are the 95 % intervals. " if several else ""}Further {corner} is more for less. The dashed line
is the Pareto front: it joins the models that no other model beats in both.</p>
<div class="grid">{sections}</div>
{_worst_examples(report)}<h2>How it was measured</h2>
{_terms(report)}"""
    figures = [figure for figure in (behind, learning, *costs.values()) if figure is not None]
    return Page(f"{terms['task']}: {', '.join(terms['models'])}", body, figures, _STYLE)


def _advice(report: dict[str, Any]) -> str:
    """The questions that the comparison answers, what to use and what to try next; empty if it says nothing of it."""
    entries = "".join(
        f"<dt>{escape(answer['topic'])}</dt><dd>{escape(answer['text'][0].upper() + answer['text'][1:])}</dd>"
        for answer in report.get("answers", [])
    )
    use = "".join(f"<li>{escape(sentence)}</li>" for sentence in report.get("recommendations", []))
    steps = "".join(f"<li>{escape(step[0].upper() + step[1:])}.</li>" for step in report.get("next_steps", []))
    parts = [f"<dl>{entries}</dl>" if entries else "", f"<ul>{use}</ul>" if use else ""]
    parts.append(f'<p class="soft">To try next:</p><ul>{steps}</ul>' if steps else "")
    return "".join(part for part in parts if part)


def _warnings(report: dict[str, Any]) -> str:
    """A list of what makes the result less certain; empty if there is nothing."""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in report.get("warnings", []))
    return f'<ul class="warnings">{items}</ul>\n' if items else ""


def _differences(report: dict[str, Any], score: str, figure: Figure | None) -> str:
    """The paired differences to the leader, as a chart and as a table; empty if nothing was tested."""
    if figure is None:
        return ""
    unit = report["examples"]["unit"]
    head = ["model", "behind by", "95 % interval", "p (Holm)", "verdict", "enough to tell"]
    lines = []
    for difference in (Difference.from_json(content) for content in report["differences"]):
        interval = (
            "–"
            if difference.low is None or difference.high is None
            else f"{plain(difference.low)} to {plain(difference.high)}"
        )
        p = "–" if difference.p is None else "< 0.001" if difference.p < 0.001 else f"{difference.p:.2g}"
        seeds, examples = difference.enough
        choices = [f"{seeds} seeds" if seeds else "", f"{examples:,} {many(unit)}" if examples else ""]
        is_decided = difference.told_apart or not difference.difference
        enough = "–" if is_decided else " or ".join(choice for choice in choices if choice) or "more of both"
        result = "worse" if difference.told_apart else "not told apart"
        cells = [difference.model, plain(difference.difference), interval, p, result, enough]
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"""<h2>Differences to {escape(report["leader"])}</h2>
<p class="soft">Over the same test {many(unit)}, in units of the score ({escape(score_name(score))}). Each interval
is a model's own, over seeds and {many(unit)}; p is corrected for all pairs of models. “Enough to tell”: a rough
estimate of what would show such a difference in four of five comparisons.</p>
{figure.html()}
<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>
"""


def _worst_examples(report: dict[str, Any]) -> str:
    """The test examples that the best model answers worst, with both answers; empty if the task shows none."""
    worst = report.get("worst_examples") or {}
    if not worst:
        return ""
    has_answers = any(answer for row in worst["rows"] for answer in row["answers"])
    head = ["example", "expected", *worst["models"]] if has_answers else ["example", *worst["models"]]
    lines = []
    for row in worst["rows"]:
        if has_answers:
            answers = [_with_errors_marked(answer, row["expected"]) for answer in row["answers"]]
            cells = [escape(row["input"]), escape(row["expected"]), *answers]
        else:
            cells = [escape(row["input"]), *(f"{loss:.3f} nats per token" for loss in row["losses"])]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    first = worst["models"][0]
    return f"""<h2>The worst examples of {escape(first)}</h2>
<p class="soft">The test examples with the worst {"answers" if has_answers else "scores"} of {escape(first)} (first
seed){", beside those of " + escape(worst["models"][1]) if len(worst["models"]) > 1 else ""}.</p>
<div class="wide"><table class="examples"><thead><tr>{names}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>
"""


def _with_errors_marked(answer: str, expected: str) -> str:
    """Of an answer with as many words as expected, such as the tags of a sentence, those that differ in bold."""
    words, expected_words = answer.split(), expected.split()
    if len(words) != len(expected_words) or len(words) < 2:
        return escape(answer)
    return " ".join(
        escape(word) if word == right else f"<b>{escape(word)}</b>"
        for word, right in zip(words, expected_words, strict=True)
    )


def _table(rows: list[Row], score: str, colours: dict[str, int]) -> str:
    headings, *cells_of_rows = table(rows, score)
    head = "".join(f"<th>{escape(heading).replace(chr(10), '<br>')}</th>" for heading in headings)
    lines = []
    for number, (row, (model, *numbers)) in enumerate(zip(rows, cells_of_rows, strict=True)):
        key = f'<span class="key" style="background: {series_colour(colours[row.model])}"></span>'
        cells = f"<td>{key}{escape(model)}</td>" + "".join(f"<td>{escape(cell)}</td>" for cell in numbers)
        lines.append(f"<tr{' class=first' if number == 0 else ''}>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _training_terms(terms: dict[str, Any]) -> str:
    """The budget and the seeds of a training, or that the runs were finished before."""
    if not terms["budget"]:
        return _count(len(terms["runs"]), "finished run")
    equal = {"parameters": " · equal parameters", "both": " · equal parameters"}.get(terms.get("equal", ""), "")
    folds = f" · {terms['folds']} folds" if terms.get("folds") else ""
    return f"{_budget(terms)} per training · {_count(terms['seeds'], 'seed')}{folds}{equal}"


def _budget(terms: dict[str, Any]) -> str:
    return ", ".join(f"{value:g} {name if value != 1 else name[:-1]}" for name, value in terms["budget"].items())


def _equal_terms(report: dict[str, Any]) -> str:
    terms, threads = report["terms"], _count(report["machine"]["threads"], "thread")
    if not terms["budget"]:
        return "the same test data for all runs, which were trained before: " + ", ".join(terms["runs"])
    sizes = ""
    if terms.get("sizes"):
        changed = (f"{name}: {', '.join(f'{n}={v}' for n, v in s.items())}" for name, s in terms["sizes"].items())
        sizes = f"; as many parameters as {terms['models'][0]}, within 2 %, by {'; '.join(changed)}"
    return (
        "the same split and encoding of the data for all models, each training in a process of its own, "
        f"{_budget(terms)} each, {threads}{sizes}"
    )


def _machines(report: dict[str, Any]) -> str:
    """Which trainings ran on which machine."""
    trainings: dict[str, list[str]] = {}
    for training, machine in report.get("machines", {}).items():
        trainings.setdefault(machine, []).append(training)
    if len(trainings) < 2:
        return next(iter(trainings), "") or "this machine"
    return "; ".join(f"{machine or 'this machine'}: {', '.join(names)}" for machine, names in trainings.items())


def _terms(report: dict[str, Any]) -> str:
    terms, machine = report["terms"], report["machine"]
    held_out = terms.get("held_out_part", "")  # finished runs have none
    if terms.get("folds"):
        tested = f"each of {terms['folds']} folds once, all test examples scored together"
    else:
        tested = terms["test"] or (held_out if terms["valid"] is None else "none: scored on the validation data")
    about = {
        "equal terms": _equal_terms(report),
        "data": terms["data"],
        "validation": terms["valid"] or held_out or "of each run's training",
        "test": tested,
        "settings": ", ".join(f"{name} = {value}" for name, value in terms["settings"].items()) or "each model's own",
        "score": "of the weights that were best on the validation data",
        "training targets/s": "tokens, labels or values that the loss counts, per second: the median over seeds, "
        "validation left out",
        "online ms/token": "median of 200 steps on the CPU, one token at a time, the state carried (first seed)",
        "peak memory": "of the training process, the largest over seeds",
        "machine": f"{machine['processor']}, {_count(machine['cores'] or 1, 'core')}, torch {machine['torch']}, "
        f"Python {machine['python']}",
        "trained on": _machines(report),
        "date": report["date"],
    }
    if all(row["online_milliseconds"] is None for row in report["rows"]):
        del about["online ms/token"]
    entries = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in about.items())
    return f"<dl>{entries}<dt>command</dt><dd><code>{escape(report['command'])}</code></dd></dl>"
