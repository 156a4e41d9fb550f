"""Writes the folder of an exported run: whole and compared with the run, or not at all."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqloom.errors import RequestError
from seqloom.export.onnx.answers import compare_answers
from seqloom.export.onnx.card import model_card
from seqloom.export.onnx.contents import has_graphs, write_contents
from seqloom.export.onnx.gate import Gate, check_inputs_are_used
from seqloom.export.onnx.int8_loss import check_loss
from seqloom.export.onnx.manifest import describe_graphs
from seqloom.export.onnx.networks import graphs_of
from seqloom.export.onnx.parity import check_parity
from seqloom.export.options import ExportOptions
from seqloom.files import write_atomic
from seqloom.formats.onnx.model_file import write_graphs
from seqloom.models.mixture import Mixture
from seqloom.run import Run, load
from seqloom.storage.folder import new_folder
from seqloom_portable.engine import Engine
from seqloom_portable.folder import FORMAT
from seqloom_portable.loading import load as load_portable

Facts = dict[str, Any]


def write_folder(run: Run, out: Path, options: ExportOptions) -> None:
    """Graphs, tokenizer, `manifest.json`, `parity.json`, `metrics.json`, `README.md` and `LICENSE` in the folder `out`.

    Raises RequestError where the run cannot be exported or `out` is there already, and ParityError where what was
    written does not do what the run does; then nothing is left of it.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("the folder is not empty", where=str(out), hint="give another one")
    if out.exists():
        out.rmdir()
    facts: Facts = {}
    with new_folder(out, facts) as folder:
        gate = Gate()
        facts |= _write_model(run, folder, gate, options)
        parity = _prove(run, folder, facts, gate, options)
        write_atomic(folder / "parity.json", json.dumps(parity, indent=1) + "\n")
        write_atomic(folder / "metrics.json", json.dumps(run.summary, indent=1) + "\n")
        write_atomic(folder / "README.md", model_card(run, parity, options))
        write_atomic(folder / "LICENSE", _license(options))


def _write_model(run: Run, folder: Path, gate: Gate, options: ExportOptions) -> Facts:
    """What a program needs to run the model; gives the facts of the manifest."""
    if options.int8 and not has_graphs(run):
        raise RequestError(
            "this model has no matrices that 8-bit integers would make smaller", got=run.plan.model, where="--int8"
        )
    facts: Facts = {
        "format": FORMAT,
        "seqloom": importlib.metadata.version("seqloom") if _is_installed() else "",
        "task": run.plan.task,
        "model": run.plan.model,
        "int8": options.int8,
        "graphs": {},
    }
    if isinstance(run.model, Mixture):
        _write_parts(run, folder, gate)
    if has_graphs(run):
        _, graphs = graphs_of(run.model.float(), options.int8)
        write_graphs({exported.name: exported.graph for exported in graphs}, folder)
        for exported in graphs:
            check_inputs_are_used(exported)
        facts["graphs"] = describe_graphs(graphs)
        if not options.int8:
            engines = {name: Engine(folder, described) for name, described in facts["graphs"].items()}
            check_parity(run.model, engines, gate)
    return facts | write_contents(run, folder)


def _write_parts(run: Run, folder: Path, gate: Gate) -> None:
    """Each part of a mixture in a folder of its own."""
    for number in range(len(run.model.parts)):
        part = load(run.folder / "parts" / str(number), device="cpu")
        facts: Facts = {}
        with new_folder(folder / "parts" / str(number), facts) as own:
            facts |= _write_model(part, own, gate, ExportOptions())


def _prove(run: Run, folder: Path, facts: Facts, gate: Gate, options: ExportOptions) -> Facts:
    """Runs the folder as a user would."""
    write_atomic(folder / "manifest.json", json.dumps({"files": {}, "facts": facts}))
    portable = load_portable(folder)
    if options.int8:
        loss = check_loss(run, portable, options)
        parity: Facts = {"largest_difference": loss["largest_difference"], "answers": loss.pop("answers"), "int8": loss}
    else:
        answers = compare_answers(run, portable, options.data, gate)
        parity = {"largest_difference": gate.largest, "tolerance": gate.tolerance, "answers": asdict(answers)}
        parity["checks"] = gate.checks
    (folder / "manifest.json").unlink()
    versions = {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime")}
    return parity | {"versions": versions}


def _is_installed() -> bool:
    try:
        importlib.metadata.version("seqloom")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _license(options: ExportOptions) -> str:
    if options.license:
        return f"This model is licensed under: {options.license}\n"
    return "The licence of this model was not stated when it was exported. Ask whoever gave it to you.\n"
