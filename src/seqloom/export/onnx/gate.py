"""The parity gate: compares an exported graph with its network, and raises an error if they differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqloom.errors import SeqloomError
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom_portable.engine import Arrays, Engine

TOLERANCE = 2e-5
"""The largest difference of log-probabilities that is allowed, in nats, where none is below -5."""

PRECISION = 4e-6
"""The same as a share of the largest number that is compared: a sure model gives log-probabilities of -40 and below,
which in float32 differ from those in float64 by 1e-6 of it."""

STEPS = 50
"""The number of single steps, each from the state after the step before, that are compared."""


class ParityError(SeqloomError):
    """The exported model differs from the run's model; nothing is left of the export."""


@dataclass
class Gate:
    """`checks`: the largest difference in each check, in nats."""

    tolerance: float = TOLERANCE
    checks: dict[str, float] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        return max(self.checks.values(), default=0.0)

    def compare(
        self, check: str, exported: NDArray[Any], expected: Tensor | NDArray[Any], real: NDArray[np.bool_] | None = None
    ) -> None:
        """Raises ParityError if they differ by more than rounding. `real` is False where values are undefined."""
        reference = expected.detach().cpu().numpy() if isinstance(expected, Tensor) else expected
        if exported.shape != reference.shape:
            raise ParityError(
                "the exported model returns another shape", where=check, got=exported.shape, expected=reference.shape
            )
        if real is not None:
            exported, reference = exported[real], reference[real]
        difference = largest_difference(exported, reference)
        self.checks[check] = max(self.checks.get(check, 0.0), difference)
        allowed = max(self.tolerance, PRECISION * _largest(reference))
        if not difference <= allowed:
            raise ParityError(
                "the exported model does not give the same scores",
                where=check,
                got=f"a difference of {difference:.3g}",
                expected=f"at most {allowed:.0e}",
                hint="this is a defect of the export; nothing was written",
            )


def _largest(values: NDArray[Any]) -> float:
    """The largest absolute value of the finite ones."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def largest_difference(exported: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest absolute difference. Equal infinities count as equal; NaN on one side counts as infinite."""
    if not exported.size:
        return 0.0
    values, reference = exported.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        differences = np.where(values == reference, 0.0, np.abs(values - reference))
    return float(np.nan_to_num(differences, nan=np.inf, posinf=np.inf).max())


def check_inputs_are_used(exported: ExportedGraph) -> None:
    """Raises ParityError if an output does not depend on some input, which was then turned into a constant."""
    inputs, used = exported.graph.inputs, exported.graph.used()
    unused = [info.name for info in inputs if info.name not in used]
    if unused or not inputs:
        raise ParityError(
            "the exported graph does not use all its inputs",
            where=exported.name,
            got=f"unused inputs: {', '.join(unused)}" if unused else "no inputs at all",
            expected="outputs that depend on every input",
        )


def check_inputs_matter(
    engine: Engine, feeds: Arrays, others: Mapping[str, NDArray[Any]], silent: Collection[str] = ()
) -> None:
    """Raises ParityError if a different value of an input changes no output. `others` has other ids; numbers and
    lengths are changed here. `silent`: inputs whose effect depends on the weights."""
    before = engine(**feeds)
    for name in engine.inputs:
        if name in silent:
            continue
        changed = others[name] if name in others else _changed(feeds[name])
        after = engine(**{**feeds, name: changed})
        pairs = [(part, after[side][key]) for side in (0, 1) for key, part in before[side].items()]
        if all(first.shape == second.shape and np.array_equal(first, second) for first, second in pairs):
            raise ParityError(
                "an input of the exported graph changes nothing", where=engine.description["file"], got=name
            )


def _changed(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype == np.bool_:
        return ~values
    if values.dtype.kind == "i":
        return values - 1
    # Not the same everywhere, since a softmax ignores a constant that is added to all logits.
    return values + np.random.default_rng(1).standard_normal(values.shape).astype(values.dtype)
