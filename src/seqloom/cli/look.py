"""`seqloom look`: what data holds, how it would be read and split, what looks wrong, and a command to start with."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING

import typer

from seqloom.cli.options import Columns, Data, Json
from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.data.survey.report import Suggestion, Survey

_WIDTH = 100
_FACTS_WIDTH = 18


def look(data: Data, columns: Columns = None, json: Json = False) -> None:
    """Describe data: format, columns, labels, lengths, duplicates, how it is split, what looks wrong.

    Nothing is trained. The last lines suggest a task, models, and a command to paste.
    """
    from seqloom.data.input_source import rereadable
    from seqloom.data.survey.survey import survey
    from seqloom.data.tables.columns import parse_columns
    from seqloom.runtime import cache_folder

    result = survey(rereadable(data, cache_folder()), parse_columns(columns or ""))
    result.source = data
    if json:
        typer.echo(to_json({**asdict(result), "suggestion": result.suggestion and result.suggestion._asdict()}))
        return
    typer.echo("\n".join(_screen(result)))


def _screen(result: Survey) -> list[str]:
    lines = [result.source]
    for name, text in result.facts.items():
        lines += _wrapped(f"  {name:<{_FACTS_WIDTH}}", text)
    if result.wrong:
        lines += ["", "  what looks wrong"]
        for message in result.wrong:
            first, *others = message.splitlines()
            lines += _wrapped("  - ", first) + [f"    {line}" for line in others]
    if result.suggestion is not None:
        lines += ["", *_wrapped("  suggestion        ", result.suggestion.reason)]
        lines += [f"    {command}" for command in commands(result.source, result.suggestion)]
    return lines


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def commands(source: str, suggestion: Suggestion) -> list[str]:
    """Commands to paste: a comparison of the models, and a training of the first one."""
    if not suggestion.task:
        return []
    name = PurePath(source).name.split(".")[0] or "data"
    options = " ".join(map(shlex.quote, suggestion.options))
    data = shlex.quote(source) + (f" {options}" if options else "")
    return [
        f"seqloom train {suggestion.task} {data} --model {suggestion.models[0]} --minutes 3 --out runs/{name}",
        f"seqloom compare {suggestion.task} {data} --models {','.join(suggestion.models)} --minutes 3 --out "
        f"runs/{name}-compared",
    ]
