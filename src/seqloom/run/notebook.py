"""Facts about runs and vectors as tables for notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping


def fact_table(facts: Mapping[str, object]) -> str:
    """An HTML table with a row for each fact."""
    left = "style='text-align:left'"
    rows = (
        f"<tr><th {left}>{html.escape(name)}</th><td {left}>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table>{''.join(rows)}</table>"
