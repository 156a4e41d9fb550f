"""Trials of prescriptions, with repeats of the run's own settings, so that a cure is told from chance."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqloom.errors import RequestError, SeqloomError
from seqloom.explain.prescriptions import Prescription, is_initialised_from_a_run, scaled, settings_of
from seqloom.run import Run, train

_CONTROLS, _CURED = 3, 2
"""Trainings with the run's own settings, and with those of a prescription, each with a seed of its own."""

_SECONDS = 120.0
"""Of a training, at most about so many, by those that the run took."""

_DEVIATIONS, _LEAST_SPREAD = 2.0, 0.01


@dataclass(frozen=True)
class Trial:
    """`scores` of the trainings with the prescription, `controls` of those without. `works`: every one of the former
    is better than all of the latter, and than their mean by more than twice their standard deviation. `share`: of the
    budgets that each training had."""

    reason: str
    command: str
    score: str
    scores: list[float]
    controls: list[float]
    works: bool
    share: float = 1.0

    @property
    def text(self) -> str:
        def shown(values: Sequence[float]) -> str:
            return ", ".join(f"{value:.4g}" for value in values)

        outcome = "It works" if self.works else "No cure beyond chance"
        return (
            f"{outcome}: {self.reason}: {self.score} {shown(self.scores)}, against {shown(self.controls)} of repeats "
            "with the run's own settings and other seeds."
        ) + ("" if self.share == 1 else f" Each training had {self.share:.0%} of its budget.")


def try_prescriptions(run: Run, cures: Sequence[Prescription], folder: Path) -> list[Trial]:
    """Trains in `folder`. Every training has the budget of its prescription, the control that of the run; where the run
    took longer than two minutes, all have the same share of these. Without a prescription nothing is trained."""
    if not cures:
        return []
    name, lower = run.summary["score"], run.summary["lower_is_better"]
    share = min(1.0, _SECONDS / max(_seconds_taken(run), 1e-9))
    control = repeat_of(run, share)
    seeds = [run.plan.seed + number for number in range(1, 1 + max(_CONTROLS, _CURED))]
    controls = [score_of(run, control, seed, folder / f"control-{seed}") for seed in seeds[:_CONTROLS]]
    trials = []
    for number, cure in enumerate(cures, 1):
        short = replace(cure, budget=scaled(cure.budget, share))
        scores = [score_of(run, short, seed, folder / f"try-{number}-{seed}") for seed in seeds[:_CURED]]
        trials.append(Trial(cure.reason, cure.command, name, scores, controls, works(scores, controls, lower), share))
    return trials


def _seconds_taken(run: Run) -> float:
    """Those of the processor where it worked for others too; of several threads or another device, those of a clock."""
    seconds: float = run.summary["seconds"]
    return min(seconds, run.summary.get("processor_seconds", seconds))


def works(scores: Sequence[float], controls: Sequence[float], lower_is_better: bool) -> bool:
    """Two of two above three of three comes by chance once in ten; the distance of the worse one makes that rarer.
    That cures differ among themselves is no sign against them."""
    sign = -1.0 if lower_is_better else 1.0
    cured, repeated = [sign * value for value in scores], [sign * value for value in controls]
    if not all(map(math.isfinite, cured)):
        return False
    repeated = [value for value in repeated if math.isfinite(value)] or [-math.inf]
    if min(cured) <= max(repeated):
        return False
    if len(repeated) < 2:
        return True
    mean = statistics.fmean(repeated)
    # Repeats that learn nothing may score exactly the same.
    spread = max(statistics.stdev(repeated), _LEAST_SPREAD * abs(mean))
    return min(cured) - mean > _DEVIATIONS * spread


def repeat_of(run: Run, share: float = 1.0) -> Prescription:
    """The run's own settings, with a share of its budget."""
    budget = scaled(run.plan.budget.model_dump(exclude_defaults=True), share)
    return Prescription("a repeat", "", run.plan.model, {}, budget, "")


def score_of(run: Run, cure: Prescription, seed: int, folder: Path) -> float:
    """The validation score of a training; not a number where the training broke down."""
    plan = run.plan
    try:
        trained = train(
            plan.task, plan.sources.data, model=cure.model, valid=plan.sources.valid, test=plan.sources.test,
            initialise_from=plan.ancestry[0].run if is_initialised_from_a_run(run, cure.model) else None,
            out=folder, seed=seed, quiet=True, settings=settings_of(run, cure.model, cure.changes), **cure.budget,  # type: ignore[arg-type]
        )  # fmt: skip
    except RequestError:
        raise
    except SeqloomError:
        return math.nan
    return float(trained.summary["valid"][trained.summary["score"]])
