"""Chooses the graphs of a run's model."""

from __future__ import annotations

from typing import Any

from seqloom.errors import RequestError
from seqloom.export.supported import exportable
from seqloom.formats.onnx.bit_predictor import bit_predictor_graphs
from seqloom.formats.onnx.classifier import classifier_graphs
from seqloom.formats.onnx.encoder_decoder import encoder_decoder_graphs
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.forecast_network import forecast_graphs, forecast_mixture_graphs
from seqloom.formats.onnx.language_model import language_model_graphs
from seqloom.formats.onnx.tagger import tagger_graphs
from seqloom.formats.onnx.transcriber import attentional_transcriber_graphs, transcriber_graphs
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.models.bit_predictor import BitPredictor
from seqloom.models.classifier import Classifier
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.forecasting.mixture import ForecastMixture
from seqloom.models.forecasting.network import ForecastNetwork
from seqloom.models.language_model import LanguageModel
from seqloom.models.tagger import FrameTagger, Tagger
from seqloom.models.transcriber import Transcriber

BUILDERS: dict[type[Any], tuple[str, Any]] = {
    AttentionalTranscriber: ("transcriber with attention", attentional_transcriber_graphs),
    BitPredictor: ("bit predictor", bit_predictor_graphs),
    ForecastMixture: ("mixture of forecasts", forecast_mixture_graphs),
    ForecastNetwork: ("forecaster", forecast_graphs),
    Classifier: ("classifier", classifier_graphs),
    EncoderDecoder: ("translator", encoder_decoder_graphs),
    LanguageModel: ("network language model", language_model_graphs),
    FrameTagger: ("tagger of numbers", tagger_graphs),
    Tagger: ("tagger", tagger_graphs),
    Transcriber: ("transcriber", transcriber_graphs),
}
"""For each class of network, its kind in the manifest and the function that makes its graphs; a subclass
comes before its base class."""


def graphs_of(model: Any, int8: bool = False) -> tuple[str, list[ExportedGraph]]:
    """The kind and the graphs. Raises RequestError for a network without a builder."""
    for network, (kind, build) in BUILDERS.items():
        if isinstance(model, network):
            return kind, build(model, int8)
    raise RequestError(
        f"a model of the class {type(model).__name__} cannot be exported to ONNX: it has no builder of graphs",
        expected="a run of " + ", ".join(sorted({task for task, _ in exportable("onnx")})),
    )
