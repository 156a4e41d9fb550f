"""Chooses the class that runs an exported model, and loads the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqloom_portable.bag_of_words import BagOfWords
from seqloom_portable.bits import BitPredictor
from seqloom_portable.classifier import Classifier
from seqloom_portable.closed_form_forecaster import ClosedFormForecaster
from seqloom_portable.ctranslate2_models import CTranslate2LanguageModel, CTranslate2Translator
from seqloom_portable.describer import Describer
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.forecast_mixture import ForecastMixture
from seqloom_portable.forecaster import Forecaster
from seqloom_portable.frame_tagger import FrameTagger
from seqloom_portable.joint_ngram import JointNgramTranslator
from seqloom_portable.language_model import LanguageModel, NetworkLanguageModel
from seqloom_portable.mixture import MixtureLanguageModel
from seqloom_portable.ngram import NgramLanguageModel
from seqloom_portable.tagger import Tagger
from seqloom_portable.transcriber import AttentionalTranscriber, Transcriber
from seqloom_portable.translator import Translator
from seqloom_portable.utterance_svm import UtteranceSvm
from seqloom_portable.word_vectors import WordVectors


def load(folder: str | Path, threads: int = 1) -> Any:
    """Loads the model in an export folder: a `Classifier`, `LanguageModel`, `Tagger`, `FrameTagger`, `Translator`,
    `JointNgramTranslator`, `Describer`, `Transcriber`, `WordVectors`, `Forecaster` or `BitPredictor`. Raises
    PortableError if the folder is not an export or is not complete."""
    opened = Folder(folder)
    kind = opened.manifest["kind"]
    if kind in ("network language model", "n-gram language model", "mixture of language models"):
        return _language_model(opened, threads)
    classes: dict[str, Any] = {
        "bag of words": BagOfWords,
        "bit predictor": BitPredictor,
        "classifier": Classifier,
        "closed-form forecaster": ClosedFormForecaster,
        "ctranslate2 language model": CTranslate2LanguageModel,
        "ctranslate2 translator": CTranslate2Translator,
        "describer": Describer,
        "forecaster": Forecaster,
        "joint n-gram translator": JointNgramTranslator,
        "mixture of forecasts": ForecastMixture,
        "tagger": Tagger,
        "tagger of numbers": FrameTagger,
        "transcriber": Transcriber,
        "transcriber with attention": AttentionalTranscriber,
        "translator": Translator,
        "utterance svm": UtteranceSvm,
        "word vectors": WordVectors,
    }
    if kind not in classes:
        raise PortableError(f"this version cannot run a {kind!r}; expected one of {', '.join(sorted(classes))}")
    return classes[kind](opened, threads)


def _language_model(folder: Folder, threads: int) -> LanguageModel:
    kind = folder.manifest["kind"]
    if kind == "n-gram language model":
        return NgramLanguageModel(folder)
    if kind == "mixture of language models":
        parts = [_language_model(Folder(folder.path / name), threads) for name in folder.manifest["parts"]]
        return MixtureLanguageModel(folder, parts)
    return NetworkLanguageModel(folder, threads)
