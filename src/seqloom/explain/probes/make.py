"""Which probe examines a model, by the data that it reads and by what it is."""

from __future__ import annotations

from typing import Any

from seqloom.data.descriptions import Descriptions
from seqloom.data.labelled import LabelledData
from seqloom.data.pairs import Pairs
from seqloom.data.series.panel import SeriesData
from seqloom.data.synthetic import SyntheticData
from seqloom.data.tagged import TaggedFile
from seqloom.data.token_file import TokenFile
from seqloom.explain.probes.algorithm import StepContexts
from seqloom.explain.probes.classify import ClassifiedContexts, NetworkClassifiedContexts
from seqloom.explain.probes.forecast import NetworkSeriesContexts, SeriesContexts
from seqloom.explain.probes.language_model import NetworkTokenContexts, TokenContexts
from seqloom.explain.probes.probe import Probe
from seqloom.explain.probes.tag import TaggedContexts
from seqloom.explain.probes.translate import SourceContexts, VectorContexts
from seqloom.models.bit_predictor import BitPredictor
from seqloom.models.class_model import ClassModel
from seqloom.models.classifier import Classifier
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.forecasting.network import ForecastNetwork
from seqloom.models.language_model import LanguageModel, PredictsNext
from seqloom.models.tagger import Tagger
from seqloom.run import Run

_PROBES: tuple[tuple[type, type, Any], ...] = (
    (TokenFile, LanguageModel, NetworkTokenContexts),
    (TokenFile, PredictsNext, TokenContexts),
    (SeriesData, ForecastNetwork, NetworkSeriesContexts),
    (SeriesData, object, SeriesContexts),
    (LabelledData, Classifier, NetworkClassifiedContexts),
    (LabelledData, ClassModel, ClassifiedContexts),
    (TaggedFile, Tagger, TaggedContexts),
    (Pairs, EncoderDecoder, SourceContexts),
    (Descriptions, EncoderDecoder, VectorContexts),
    (SyntheticData, BitPredictor, StepContexts),
)
"""The data that a probe cuts, the models that it examines, and the probe; the first that fits examines a run."""


def make_probe(run: Run, data: Any) -> Probe | None:
    """The probe of a run's model on encoded `data`; None where contexts mean nothing, as to word vectors, or
    are not cut yet, as of sounds."""
    for reads, examines, probe in _PROBES:
        if isinstance(data, reads) and isinstance(run.model, examines):
            made: Probe = probe(run.trained, data)
            return made
    return None
