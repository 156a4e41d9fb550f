"""Writes the folder of an exported run, if the exported model agrees with the run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from seqloom.errors import RequestError
from seqloom.export.int8_loss import check_loss
from seqloom.export.onnx.answers import compare_answers
from seqloom.export.onnx.contents import has_graphs, write_contents
from seqloom.export.onnx.gate import Gate, check_inputs_are_used
from seqloom.export.onnx.manifest import describe_graphs
from seqloom.export.onnx.networks import graphs_of
from seqloom.export.onnx.parity import check_parity
from seqloom.export.options import ExportOptions
from seqloom.export.shipped_folder import (
    Facts,
    first_facts,
    new_export,
    open_unfinished,
    versions_of,
    write_papers,
)
from seqloom.formats.onnx.model_file import write_graphs
from seqloom.models.mixture import Mixture
from seqloom.run import Run, load
from seqloom.storage.folder import new_folder
from seqloom_portable.engine import Engine


def write_folder(run: Run, out: Path, options: ExportOptions) -> None:
    """Writes graphs, tokenizer, `manifest.json`, `parity.json`, `metrics.json`, `README.md` and `LICENSE` to `out`.

    Raises RequestError if the run cannot be exported or `out` exists, and ParityError if the exported model does not
    agree with the run; then nothing is left of it.
    """
    facts: Facts = {}
    with new_export(out, facts) as folder:
        gate = Gate()
        facts |= _write_model(run, folder, gate, options)
        parity = _prove(run, folder, facts, gate, options)
        write_papers(run, folder, parity, options)


def _write_model(run: Run, folder: Path, gate: Gate, options: ExportOptions) -> Facts:
    """Writes the files that a program needs to run the model; returns the facts for the manifest."""
    if options.int8 and not has_graphs(run):
        raise RequestError(
            "this model has no matrices that 8-bit integers would make smaller", got=run.plan.model, where="--int8"
        )
    facts = {**first_facts(run, options), "graphs": {}}
    if isinstance(run.model, Mixture):
        _write_parts(run, folder, gate)
    if has_graphs(run):
        _, graphs = graphs_of(run.model, options.int8)
        write_graphs({exported.name: exported.graph for exported in graphs}, folder)
        for exported in graphs:
            check_inputs_are_used(exported)
        facts["graphs"] = describe_graphs(graphs)
        if not options.int8:
            engines = {name: Engine(folder, described) for name, described in facts["graphs"].items()}
            check_parity(run.model, engines, gate)
    return facts | write_contents(run, folder)


def _write_parts(run: Run, folder: Path, gate: Gate) -> None:
    """Writes each part of a mixture into a folder of its own."""
    for number in range(len(run.model.parts)):
        part = load(run.folder / "parts" / str(number), device="cpu")
        facts: Facts = {}
        with new_folder(folder / "parts" / str(number), facts) as part_folder:
            facts |= _write_model(part, part_folder, gate, ExportOptions())


def _prove(run: Run, folder: Path, facts: Facts, gate: Gate, options: ExportOptions) -> Facts:
    """Loads the folder as a user would, and compares its answers with the run's."""
    portable = open_unfinished(folder, facts)
    if options.int8:
        loss = check_loss(run, portable, options)
        parity: Facts = {"largest_difference": loss["largest_difference"], "answers": loss.pop("answers"), "int8": loss}
    else:
        answers = compare_answers(run, portable, options.data, gate)
        parity = {"largest_difference": gate.largest, "tolerance": gate.tolerance, "answers": asdict(answers)}
        parity["checks"] = gate.checks
    return parity | {"versions": versions_of("onnx", "onnxruntime")}
