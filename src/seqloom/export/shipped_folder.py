"""The files that every exported folder has, whatever the format of its model; it is written atomically."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import seqloom_portable
from seqloom.config import flatten
from seqloom.errors import RequestError
from seqloom.export.model_card import model_card
from seqloom.export.options import ExportOptions
from seqloom.files import write_atomic
from seqloom.run import Run
from seqloom.storage.folder import new_folder
from seqloom_portable.folder import FORMAT, MANIFEST
from seqloom_portable.loading import load as load_portable

Facts = dict[str, Any]


@contextmanager
def new_export(out: Path, facts: Facts) -> Iterator[Path]:
    """A folder that becomes `out`, with a manifest of the `facts`, when the block ends; nothing is left if the block
    fails. Raises RequestError if `out` is not empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("the folder is not empty", where=str(out), hint="choose another folder")
    if out.exists():
        out.rmdir()
    with new_folder(out, facts) as folder:
        yield folder


def first_facts(run: Run, options: ExportOptions) -> Facts:
    """The facts in every manifest. Raises RequestError where a function in Python divides texts into tokens."""
    plan = run.plan
    if function := flatten(plan.settings).get("tokenizer.function"):
        raise RequestError(
            "a model whose texts are divided by a function in Python cannot be exported",
            where="tokenizer.function",
            got=function,
            hint="divide the texts beforehand, and train on words that whitespace separates",
        )
    return {
        "format": FORMAT,
        "seqloom": seqloom_portable.__version__,
        "task": plan.task,
        "model": plan.model,
        "int8": options.int8,
    }


def open_unfinished(folder: Path, facts: Facts) -> Any:
    """Opens the model in a folder without a manifest, as its user will open it."""
    manifest = folder / MANIFEST
    write_atomic(manifest, json.dumps({"files": {}, "facts": facts}))
    portable = load_portable(folder)
    manifest.unlink()
    return portable


def write_papers(run: Run, folder: Path, parity: Facts, options: ExportOptions) -> None:
    """Writes `parity.json`, `metrics.json`, `README.md` and `LICENSE`."""
    write_atomic(folder / "parity.json", json.dumps(parity, indent=1) + "\n")
    write_atomic(folder / "metrics.json", json.dumps(run.summary, indent=1) + "\n")
    write_atomic(folder / "README.md", model_card(run, parity, options))
    write_atomic(folder / "LICENSE", _license(options))


def versions_of(*packages: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in packages}


def _license(options: ExportOptions) -> str:
    if options.license:
        return f"This model is licensed under: {options.license}\n"
    return "The licence of this model was not stated when it was exported. Ask whoever gave it to you.\n"
