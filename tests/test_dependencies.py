"""What the program imports is what it says that it depends on: an install without the tools of developers runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imported() -> set[str]:
    """The packages of others that are imported somewhere under src."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"seqloom", "seqloom_portable", "seqloom_web"}


def names(lines: list[str]) -> set[str]:
    return {re.split(r"[<>=!~ \[]", line)[0].lower().replace("_", "-") for line in lines}


def test_every_import_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines]
    of = packages_distributions()
    # A package of an extra that is not installed here has the name that it is imported by.
    needed = {of.get(package, [package])[0].lower().replace("_", "-") for package in imported()}
    assert names(project["dependencies"]) <= needed <= names(project["dependencies"] + extras)


def test_charts_are_imported_only_where_a_page_is_written() -> None:
    """Altair takes a third of a second to import, and only pages need it."""
    code = (
        "import sys, seqloom; seqloom.compare; seqloom.train\n"
        "import seqloom.cli.compare, seqloom.cli.evaluate, seqloom.cli.predict, seqloom.cli.vectors\n"
        "import seqloom.explain.alignments, seqloom.explain.heads\n"
        "sys.exit(','.join({'altair', 'vl_convert'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_training_does_not_import_the_compiler_of_torch(tmp_path: Path) -> None:
    """Which takes longer to import than torch itself."""
    (tmp_path / "text.txt").write_text("".join(f"a b c {i}\n" for i in range(60)))
    code = (
        "import sys, seqloom\n"
        "settings = {'model.hidden_size': 4, 'embedding.dim': 4}\n"
        "seqloom.train('language-model', sys.argv[1] + '/text.txt', model='lstm', updates=2, threads=1, quiet=True,"
        " out=sys.argv[1] + '/run', settings=settings)\n"
        "sys.exit(','.join({'torch._dynamo', 'sympy', 'altair', 'scipy.stats', 'onnx'} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_statistics_are_imported_only_where_runs_are_compared() -> None:
    """`scipy.stats` takes a second or two to import, which no prediction, forecast or export should wait for."""
    importing = {
        path.relative_to(ROOT / "src" / "seqloom").as_posix()
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        and (node.module == "scipy.stats" or (node.module == "scipy" and "stats" in {name.name for name in node.names}))
    }
    assert importing == {"comparison/statistics.py"}
