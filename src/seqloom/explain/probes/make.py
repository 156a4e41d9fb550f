"""Which probe examines the model of a run."""

from __future__ import annotations

from typing import Any

from torch import nn

from seqloom.explain.probes.probe import Probe
from seqloom.run import Run


def make_probe(run: Run, data: Any) -> Probe | None:
    """The probe of a run's task on encoded `data`; None where contexts mean nothing, as to word vectors, or
    are not cut yet, as of sounds."""
    is_network = isinstance(run.model, nn.Module)
    if run.plan.task == "language-model":
        from seqloom.explain.probes.language_model import NetworkTokenContexts, TokenContexts
        from seqloom.models.language_model import LanguageModel

        kind = NetworkTokenContexts if isinstance(run.model, LanguageModel) else TokenContexts
        return kind(run.trained, data)
    if run.plan.task == "forecast":
        from seqloom.explain.probes.forecast import NetworkSeriesContexts, SeriesContexts

        return (NetworkSeriesContexts if is_network else SeriesContexts)(run.trained, data)
    if run.plan.task == "classify":
        from seqloom.explain.probes.classify import ClassifiedContexts, NetworkClassifiedContexts
        from seqloom.models.classifier import Classifier

        return (NetworkClassifiedContexts if isinstance(run.model, Classifier) else ClassifiedContexts)(
            run.trained, data
        )
    if run.plan.task == "tag":
        from seqloom.explain.probes.tag import TaggedContexts

        return TaggedContexts(run.trained, data)
    if run.plan.task == "translate":
        from seqloom.explain.probes.translate import SourceContexts

        return SourceContexts(run.trained, data)
    if run.plan.task == "describe":
        from seqloom.explain.probes.translate import VectorContexts

        return VectorContexts(run.trained, data)
    if run.plan.task == "algorithm":
        from seqloom.explain.probes.algorithm import StepContexts

        return StepContexts(run.trained, data)
    return None
