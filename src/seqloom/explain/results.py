"""What an explanation consists of."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqloom.explain.findings import Finding
from seqloom.explain.measured import Measured
from seqloom.explain.measures.count_models import BackOff, ClassWeights
from seqloom.explain.prescriptions import Prescription
from seqloom.explain.trials import Trial


@dataclass(frozen=True)
class Results:
    """`verdict`: plain sentences. `findings`: of each run, the gravest first. `prescriptions` are for the first run."""

    verdict: list[str]
    findings: list[list[Finding]]
    prescriptions: list[Prescription]
    measured: list[Measured]
    back_off: dict[str, BackOff] = field(default_factory=dict)
    class_weights: dict[str, list[ClassWeights]] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)

    def __str__(self) -> str:
        cures = [f"{i}. {p.reason}\n   {p.command}" for i, p in enumerate(self.prescriptions, 1)]
        return "\n".join([*self.verdict, *cures, *(trial.text for trial in self.trials)])
