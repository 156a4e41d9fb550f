"""The structure of the package: imports between its files form no circle, and nn/ has few loose files."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import seqloom

PACKAGE = Path(seqloom.__file__).parent


def module_files() -> dict[str, Path]:
    """Every module of the package, a package by its own name."""
    modules = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("seqloom", *path.relative_to(PACKAGE).with_suffix("").parts)
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the package that a file imports anywhere in it, under TYPE_CHECKING and in functions too."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= {name if name in modules else node.module for name in members}
    return imported & modules.keys()


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The modules that are left when those that import no others, or only such, have been taken away again and again,
    and likewise those that nothing imports. They are in circles, or between two of them."""
    left = {name: set(targets) for name, targets in graph.items()}
    while True:
        imported = set().union(*left.values()) if left else set()
        ends = {name for name, targets in left.items() if not targets or name not in imported}
        if not ends:
            return [[name, *sorted(targets)] for name, targets in sorted(left.items())]
        left = {name: targets - ends for name, targets in left.items() if name not in ends}


def exceptions() -> list[tuple[str, ...]]:
    """The imports that `pyproject.toml` lets go up, with the reason: (module, imported module)."""
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as stream:
        contracts = tomllib.load(stream)["tool"]["importlinter"]["contracts"]
    return [tuple(line.split(" -> ")) for contract in contracts for line in contract.get("ignore_imports", ())]


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circles(graph) == [["b", "c"], ["c", "b"]]
    assert circles({"a": {"a"}, "b": set()}) == [["a", "a"]]


def test_no_imports_form_a_circle() -> None:
    modules = module_files()
    assert len(modules) > 100
    graph = {name: imports(path, modules) - {name} for name, path in modules.items()}
    assert "seqloom.nn.recurrence.pass_context" in graph["seqloom.nn.kernels.fused_recurrence"]
    assert "seqloom.nn.kernels.fused_recurrence" in graph["seqloom.nn.recurrence.cell"]
    assert len(exceptions()) <= 1
    for module, imported in exceptions():
        graph[module].remove(imported)
    assert circles(graph) == []


def test_nn_has_at_most_eight_loose_files() -> None:
    assert len(list((PACKAGE / "nn").glob("*.py"))) <= 8
