"""The parts of the documents that are taken from the program. cog calls these functions; see `make format`."""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent

os.environ |= {"NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"}
for _name in ("FORCE_COLOR", "TERMINAL_WIDTH", "PY_COLORS"):
    os.environ.pop(_name, None)


@functools.cache
def seqloom(*arguments: str) -> str:
    """What the command prints, the same on every terminal. It runs in this process: there are many, and each start of
    Python takes as long as fifty of them."""
    from seqloom.cli.main import main

    printed, errors = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["seqloom", *arguments]
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            main()
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"seqloom {' '.join(arguments)}: {errors.getvalue()}") from None
    finally:
        sys.argv = before
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def rows(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(seqloom("list", *arguments, "--json"))


def commands() -> list[str]:
    """The names of the commands, in the order of the help text."""
    listed = seqloom("--help").partition("Commands:")[2].splitlines()
    return [line.split()[0] for line in listed if line.startswith("  ") and not line.startswith("   ")]


def help_texts() -> str:
    parts = [f"```\n{seqloom('--help')}\n```"]
    parts += [f"## seqloom {name}\n\n```\n{seqloom(name, '--help')}\n```" for name in commands()]
    return "\n\n".join(parts)


def recipes() -> str:
    """The script of each recipe in `examples/`, with the figures that it prints."""
    parts = []
    for script in sorted(_ROOT.glob("examples/*/train.py")):
        code = script.read_text(encoding="utf-8").strip()
        title, _, sentence = (ast.get_docstring(ast.parse(code)) or "").partition(": ")
        figures = tomllib.loads((script.parent / "expected.toml").read_text(encoding="utf-8"))
        ranges = "; ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in figures.items())
        path = script.relative_to(_ROOT)
        body = code.partition('"""\n\n')[2]
        about = f"{sentence[0].upper()}{sentence[1:]}\n\n`{path}` prints: {ranges}."
        # Four backticks: the tests of the guides do not run these blocks; the tests of the recipes run the scripts.
        parts.append(f"## {title}\n\n{about}\n\n````python\n{body}\n````")
    return "\n\n".join(parts)


def look(data: str) -> str:
    """The screen of `seqloom look`, with its command."""
    return f"```text\n$ seqloom look {data}\n{seqloom('look', data)}\n```"


def table(header: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    escaped = [tuple(cell.replace("|", "\\|") for cell in line) for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ("---",) * len(header), *escaped))


def models() -> str:
    return table(
        ("model", "what it does", "paper", "tasks"),
        [
            (f"`{row['name']}`", row["description"], row["source"], ", ".join(row["tasks"]))
            for row in sorted(rows("models"), key=lambda row: row["tasks"] == ["translate"])
        ],
    )


def rules_of_explain() -> str:
    from seqloom.explain.findings import RULES

    return table(("verdict", "holds where"), [(rule.kind, rule.holds.replace("%", " %")) for rule in RULES])


def tasks() -> str:
    return table(
        ("task", "what it does", "model by default"),
        [(f"`{row['name']}`", row["description"], f"`{row['default_model']}`") for row in rows("tasks")],
    )


def settings(task: str, *models: str) -> str:
    """A table for each model, or each of `models`: the settings that they share, then those that differ."""
    names = models or [row["name"] for row in rows("models", task)]
    by_model = {name: {row["name"]: row for row in rows("settings", task, name)} for name in names}
    first = by_model[names[0]]
    shared = [n for n in first if all(n in of and of[n]["value"] == first[n]["value"] for of in by_model.values())]
    parts = [
        "### Settings with the same default for all models\n\n" + _settings_table([first[name] for name in shared])
    ]
    for model, of in by_model.items():
        differing = [row for name, row in of.items() if name not in shared]
        parts.append(f"### {model}\n\n" + _settings_table(differing))
    return "\n\n".join(parts)


def _settings_table(settings: list[dict[str, Any]]) -> str:
    lines = [
        (f"`{row['name']}`", f"`{json.dumps(row['value'])}`", row["description"].replace("<", "&lt;"))
        for row in settings
    ]
    return table(("setting", "default", "what it is"), lines)


def scoreboard() -> str:
    """The scoreboard of the last demonstration that was recorded by `docs/make_scoreboard.py`."""
    return (_ROOT / "docs" / "scoreboard.md").read_text(encoding="utf-8").strip()


def verdicts() -> str:
    """In how many draws of generated data `compare` gave the known answer: `benchmarks/verdicts.py`."""
    worlds = json.loads((_ROOT / "benchmarks" / "results" / "verdicts.json").read_text(encoding="utf-8"))
    lines = [(w["data"], w["answer"], f"{w['right']} of {len(w['draws'])}") for w in worlds.values()]
    return table(("generated data", "known answer", "found in"), lines)


def file_tree() -> str:
    """Every package and file of the program with the first sentence of its docstring."""
    root = _ROOT / "src" / "seqloom"
    entries = [("seqloom/", _first_sentence(root / "__init__.py")), *_entries(root, "    ")]
    width = max(len(name) for name, _ in entries) + 2
    return "```text\n" + "\n".join(f"{name:<{width}}{about}" for name, about in entries) + "\n```"


def _entries(folder: Path, indent: str) -> list[tuple[str, str]]:
    """Files first, then packages with what is in them."""
    entries: list[tuple[str, str]] = []
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir() and (path / "__init__.py").exists():
            entries.append((f"{indent}{path.name}/", _first_sentence(path / "__init__.py")))
            entries += _entries(path, indent + "    ")
        elif path.suffix == ".py" and not path.name.startswith("__"):
            entries.append((f"{indent}{path.name}", _first_sentence(path)))
    return entries


def _first_sentence(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=[.:;]) (?=[A-Z])", paragraph)[0]


def exports() -> str:
    """Which models leave in which formats, a row for the models of a task that leave alike."""
    from seqloom.export.supported import FORMATS, condition
    from seqloom.tasks import tasks

    alike: dict[tuple[str, ...], list[str]] = {}
    for task in tasks:
        for model in sorted(tasks[task].models()):
            cells = [condition(name, task, model) for name in FORMATS]
            shown = ["" if cell is None else f"with {cell}" if cell else "yes" for cell in cells]
            alike.setdefault((task, *shown), []).append(f"`{model}`")
    rows = [f"| {task} | {', '.join(models)} | {' | '.join(shown)} |" for (task, *shown), models in alike.items()]
    return "\n".join([f"| task | models | {' | '.join(FORMATS)} |", "| --- " * (len(FORMATS) + 2) + "|", *rows])
