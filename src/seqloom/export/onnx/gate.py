"""The parity gate: an exported graph is compared with its network, and refused where it differs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor

from seqloom.errors import SeqloomError
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom_portable.engine import Arrays, Engine

TOLERANCE = 2e-5
"""Nats by which log-probabilities may differ, at most."""


class ParityError(SeqloomError):
    """The exported model does not do what the run's does; nothing is left of the export."""


@dataclass
class Gate:
    """`checks`: the largest difference of each check, in nats."""

    tolerance: float = TOLERANCE
    checks: dict[str, float] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        return max(self.checks.values(), default=0.0)

    def compare(
        self, check: str, got: NDArray[Any], expected: Tensor | NDArray[Any], real: NDArray[np.bool_] | None = None
    ) -> None:
        """Raises ParityError where they differ by more than the tolerance; `real` says which entries mean something."""
        wanted = expected.detach().cpu().numpy() if isinstance(expected, Tensor) else expected
        if got.shape != wanted.shape:
            raise ParityError(
                "the exported model gives another shape", where=check, got=got.shape, expected=wanted.shape
            )
        if real is not None:
            got, wanted = got[real], wanted[real]
        difference = largest_difference(got, wanted)
        self.checks[check] = max(self.checks.get(check, 0.0), difference)
        if not difference <= self.tolerance:
            raise ParityError(
                "the exported model does not give the same scores",
                where=check,
                got=f"a difference of {difference:.3g}",
                expected=f"at most {self.tolerance:.0e}",
                hint="this is a defect of the export; nothing was written",
            )


def largest_difference(got: NDArray[Any], expected: NDArray[Any]) -> float:
    """Equal infinities do not differ; what is not a number on one side differs without end."""
    if not got.size:
        return 0.0
    one, other = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        differences = np.where(one == other, 0.0, np.abs(one - other))
    return float(np.nan_to_num(differences, nan=np.inf, posinf=np.inf).max())


def check_inputs_are_used(exported: ExportedGraph) -> None:
    """Raises ParityError where an output can be had without some input: it was made a constant."""
    graph = exported.graph.proto(exported.name)
    needed = {output.name for output in graph.output}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(_names_used(node))
    unused = [info.name for info in graph.input if info.name not in needed]
    if unused or not graph.input:
        raise ParityError(
            "the exported graph does not use what it is given",
            where=exported.name,
            got=f"unused inputs: {', '.join(unused)}" if unused else "no inputs at all",
            expected="outputs that depend on every input",
        )


def _names_used(node: onnx.NodeProto) -> set[str]:
    """The values that a node takes, those that the body of a `Scan` takes from around it too."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names |= _names_used(inner)
    return names


def check_inputs_matter(
    engine: Engine, feeds: Arrays, others: Mapping[str, NDArray[Any]], silent: Collection[str] = ()
) -> None:
    """Raises ParityError where another value of an input changes no output. `others` has other ids; numbers and lengths
    are changed here. `silent`: inputs whose effect depends on the weights."""
    before = engine(**feeds)
    for name in engine.inputs:
        if name in silent:
            continue
        changed = others[name] if name in others else _changed(feeds[name])
        after = engine(**{**feeds, name: changed})
        pairs = [(part, after[side][key]) for side in (0, 1) for key, part in before[side].items()]
        if all(one.shape == other.shape and np.array_equal(one, other) for one, other in pairs):
            raise ParityError(
                "an input of the exported graph changes nothing", where=engine.description["file"], got=name
            )


def _changed(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype == np.bool_:
        return ~values
    if values.dtype.kind == "i":
        return values - 1
    # Not the same everywhere: a softmax does not see what is added to all.
    return values + np.random.default_rng(1).standard_normal(values.shape).astype(values.dtype)
