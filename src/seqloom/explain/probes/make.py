"""Which probe examines a model, by the data that it reads and by what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from seqloom.data.descriptions import Descriptions
from seqloom.data.labelled import LabelledData
from seqloom.data.pairs import Pairs
from seqloom.data.series.panel import SeriesData
from seqloom.data.synthetic import SyntheticData
from seqloom.data.tag_file import Tagged
from seqloom.data.token_file import TokenFile
from seqloom.explain.probes.probe import Probe
from seqloom.run import Run
from seqloom.tasks.capabilities import Trained


def make_probe(run: Run, data: Any) -> Probe | None:
    """The probe of a run's model on encoded `data`; None where contexts mean nothing, as to word vectors, or
    are not cut yet, as of sounds."""
    probe = _probe_of(run.model, data)
    return None if probe is None else probe(run.trained, data)


def _probe_of(model: Any, data: Any) -> Callable[[Trained, Any], Probe] | None:
    """Each imports what it needs alone: forecasts need much that is slow to import."""
    if isinstance(data, TokenFile):
        from seqloom.explain.probes.language_model import NetworkTokenContexts, TokenContexts
        from seqloom.models.language_model import LanguageModel, PredictsNext

        if isinstance(model, LanguageModel):
            return NetworkTokenContexts
        return TokenContexts if isinstance(model, PredictsNext) else None
    if isinstance(data, SeriesData):
        from seqloom.explain.probes.forecast import NetworkSeriesContexts, SeriesContexts

        return NetworkSeriesContexts if isinstance(model, nn.Module) else SeriesContexts
    if isinstance(data, LabelledData):
        from seqloom.explain.probes.classify import ClassifiedContexts, NetworkClassifiedContexts
        from seqloom.models.classifier import Classifier

        return NetworkClassifiedContexts if isinstance(model, Classifier) else ClassifiedContexts
    if isinstance(data, Tagged):
        from seqloom.data.tagged import TaggedFile
        from seqloom.explain.probes.tag import TaggedContexts, TaggedStepContexts

        return TaggedContexts if isinstance(data, TaggedFile) else TaggedStepContexts
    if isinstance(data, Pairs):
        from seqloom.explain.probes.translate import SourceContexts

        return SourceContexts if isinstance(model, nn.Module) else None
    if isinstance(data, Descriptions):
        from seqloom.explain.probes.translate import VectorContexts

        return VectorContexts
    if isinstance(data, SyntheticData):
        from seqloom.explain.probes.algorithm import StepContexts

        return StepContexts
    return None
