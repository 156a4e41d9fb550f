"""The page of an explanation: the verdict first, then what to change, then every chart with what it cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from seqloom.charts.page import Page
from seqloom.explain.charts.section import Section
from seqloom.explain.health_table import health_table
from seqloom.explain.measured import Measured
from seqloom.explain.results import Results

_TITLE = "Why the model learns, or does not"
_STYLE = """
.verdict { background: var(--tint); border-left: 4px solid var(--c0); padding: .8rem 1.1rem; margin: 1.2rem 0 }
.verdict p { font-size: 1.05rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--tint); padding: .6rem .8rem; font-size: .8rem }
ol li { margin: .9rem 0 } td, th { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top }
"""


def explanation_page(explanation: Results, sections: Sequence[Section]) -> Page:
    """All text is escaped; the page loads nothing."""
    table = health_table(explanation.measured)
    parts = [_head(explanation), _cures(explanation), _trials(explanation), table, *map(_section, sections)]
    body = "\n".join(part for part in parts if part)
    return Page(_TITLE, body, [section.figure for section in sections], _STYLE)


def _section(section: Section) -> str:
    return f"""<h2>{escape(section.title)}</h2><p>{escape(section.about)}</p>{section.figure.html()}
<p class="soft">What this cannot tell: {escape(section.limits)}</p>"""


def _head(explanation: Results) -> str:
    verdict = "".join(f"<p>{escape(sentence)}</p>" for sentence in explanation.verdict)
    rows = "".join(
        f"<tr><td>{escape(run.name)}</td><td>{escape(_scores(run))}</td></tr>" for run in explanation.measured
    )
    return f"""<h1>{_TITLE}</h1><div class="verdict">{verdict}</div>
<div class="wide"><table><tr><th>run</th><th>scores on the data</th></tr>{rows}</table></div>"""


def _scores(run: Measured) -> str:
    """The first three, without counts of examples."""
    scores = [(name.replace("_", " "), value) for name, value in run.score.items() if isinstance(value, float)]
    return ", ".join(f"{name} {value:.4g}" for name, value in scores[:3])


def _cures(explanation: Results) -> str:
    if not explanation.prescriptions:
        return ""
    items = "".join(
        f"<li>{escape(p.reason[0].upper() + p.reason[1:])}.<p class='soft'>Because: {escape(p.evidence)}</p>"
        f"<pre>{escape(p.command)}</pre></li>"
        for p in explanation.prescriptions
    )
    return f"<h2>What to change</h2><ol>{items}</ol>"


def _trials(explanation: Results) -> str:
    if not explanation.trials:
        return ""
    items = "".join(f"<li>{escape(trial.text)}</li>" for trial in explanation.trials)
    return f"<h2>What was tried</h2><ul>{items}</ul>"
