"""The other files in the folder of each kind of model, and the facts in its manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.descriptions import DescriptionCodec
from seqloom.data.tagged_frames import FrameTagCodec
from seqloom.export.onnx.networks import BUILDERS
from seqloom.files import write_atomic
from seqloom.formats.vector_sources import open_vectors
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.models.bag_of_words import BagOfWords
from seqloom.models.bit_predictor import BitPredictor
from seqloom.models.classifier import Classifier
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.forecasting.forecast import DEVIATES, LEVELS
from seqloom.models.forecasting.local import LocalForecaster
from seqloom.models.forecasting.mixture import CLASSICS, ForecastMixture
from seqloom.models.forecasting.network import ForecastNetwork
from seqloom.models.forecasting.ridge import Ridge
from seqloom.models.joint_ngram.model import JointNgram
from seqloom.models.language_model import LanguageModel
from seqloom.models.mixture import Mixture
from seqloom.models.ngram.model import NgramModel
from seqloom.models.ngram.store import DTYPES, Store
from seqloom.models.tagger import FrameTagger, Tagger
from seqloom.models.transcriber import Transcriber
from seqloom.models.utterance_svm import UtteranceSvm
from seqloom.models.word_vectors.model import WordVectors
from seqloom.run import Run
from seqloom.storage.arrays import write_arrays
from seqloom.tasks.classify_settings import cut_of
from seqloom.tasks.describe import longest_text
from seqloom.tasks.transcribe_language import fusion_of
from seqloom_portable.joint_ngram import UNITS_FILE
from seqloom_portable.transcriber import FUSION_FILE
from seqloom_portable.utterance_svm import VECTORS_FILE

Facts = dict[str, Any]
Contents = Callable[[Run, Path], Facts]
"""Writes the files that a kind of model needs into a folder, and returns the facts for the manifest."""


def write_contents(run: Run, folder: Path) -> Facts:
    """Writes the tokenizer's files and those of a model without graphs. Returns the facts of the task and the `kind` of
    the model."""
    for model, (kind, write) in _WITHOUT_GRAPHS.items():
        if isinstance(run.model, model):
            return {"kind": kind, **write(run, folder)}
    if not isinstance(run.model, BitPredictor):  # whose inputs are vectors of the program
        run.codec.save(folder)
    if isinstance(run.model, Transcriber):
        _write_fusion(run, folder)
    kind = next((kind for network, (kind, _) in BUILDERS.items() if isinstance(run.model, network)), "")
    return {"kind": kind, **facts_of(run)}


def has_graphs(run: Run) -> bool:
    return not isinstance(run.model, tuple(_WITHOUT_GRAPHS))


def facts_of(run: Run) -> Facts:
    """What a program must know of the network's data and settings besides the graphs."""
    facts = next((facts for network, facts in _FACTS.items() if isinstance(run.model, network)), None)
    return {} if facts is None else facts(run)


def _of_language_model(run: Run) -> Facts:
    return {"mode": run.plan.settings.data.mode}  # type: ignore[attr-defined]


def _of_tagger(run: Run) -> Facts:
    return {"labels": list(run.codec.labels.names)}


def _of_frame_tagger(run: Run) -> Facts:
    codec: FrameTagCodec = run.codec
    return {**_of_tagger(run), "reading": {"mean": codec.frames.mean, "deviation": codec.frames.deviation}}


def _of_encoder_decoder(run: Run) -> Facts:
    return _of_describer(run) if isinstance(run.codec, DescriptionCodec) else _of_translator(run)


def _of_describer(run: Run) -> Facts:
    codec: DescriptionCodec = run.codec
    decoding = run.plan.settings.decoding  # type: ignore[attr-defined]
    reading = {"mean": codec.frames.mean, "deviation": codec.frames.deviation, "parts": codec.parts}
    search = {name: getattr(decoding, name) for name in ("beam_size", "length_penalty")}
    return {"kind": "describer", "decoding": search | {"max_length": longest_text(codec, decoding)}, "reading": reading}


def _of_translator(run: Run) -> Facts:
    decoding = run.plan.settings.decoding  # type: ignore[attr-defined]
    names = ("beam_size", "length_penalty", "max_length", "copy_unknown")
    return {"decoding": {name: getattr(decoding, name) for name in names}, "tokenizers": _tokenizer_files(run)}


def _tokenizer_files(run: Run) -> dict[str, str]:
    return {side: "tokenizer.json" if run.codec.shared else f"{side}_tokenizer.json" for side in ("source", "target")}


def _of_forecaster(run: Run) -> Facts:
    return _of_forecast_network(run.model)


def _of_forecast_network(network: ForecastNetwork) -> Facts:
    sizes = network.dimensions
    facts = {name: getattr(sizes, name) for name in ("context", "horizon", "past", "ahead", "static", "log")}
    return {"levels": list(LEVELS), "factors": network.factors.tolist(), **facts}


def _of_forecast_mixture(run: Run) -> Facts:
    model: ForecastMixture = run.model
    names = {kind: name for name, (kind, _) in CLASSICS.items()}
    mixture = {
        "weights": model.weights.tolist(),
        "classics": [
            {"model": names[type(part)], "settings": part.options.model_dump(mode="json")} for part in model.classics
        ],
        "period": model.network.dimensions.season,
        "factors": model.factors.tolist(),
        "deviates": DEVIATES.tolist(),
    }
    return {"mixture": mixture, **_of_forecast_network(model.network)}


def _of_transcriber(run: Run) -> Facts:
    fusion = fusion_of(run.trained)
    weights = None if fusion is None else {name: getattr(fusion, name) for name in _FUSION_WEIGHTS}
    return {"decoding": _hearing(run) | {"causal": run.model.causal}, "fusion": weights}


def _of_attentional_transcriber(run: Run) -> Facts:
    return {"decoding": _hearing(run) | {"ctc_weight": run.model.ctc_weight}}


def _hearing(run: Run) -> Facts:
    names = ("beam_size", "pause_seconds", "segment_seconds", "overlap_seconds")
    decoding = run.plan.settings.decoding  # type: ignore[attr-defined]
    return {name: getattr(decoding, name) for name in names}


_FUSION_WEIGHTS = ("ngram_weight", "word_bonus", "closed")


def _write_fusion(run: Run, folder: Path) -> None:
    """The words that the search knows, and their n-gram model, if it uses one."""
    fusion = fusion_of(run.trained)
    if fusion is not None:
        lexicon = {f"lexicon.{name}": array.astype(np.int64) for name, array in fusion.lexicon._asdict().items()}
        store = dict(zip(DTYPES, fusion.store, strict=True))
        write_arrays(folder / FUSION_FILE, lexicon | store, {})


def _of_classifier(run: Run) -> Facts:
    codec, settings = run.codec, run.plan.settings
    cut = cut_of(settings, codec.reads_text)  # type: ignore[arg-type]
    scales = None if codec.reads_text else json.loads(codec.sources.to_json())
    reading = {
        "text": codec.reads_text,
        "longest": cut.most,
        "part": cut.part,
        "scales": scales,
        "by_steps": settings.data.vector == "steps",  # type: ignore[attr-defined]
    }
    return {"reading": reading, **_target(run)}


def _target(run: Run) -> Facts:
    """What the outputs mean: classes, labels with their thresholds and the mark that joins them, or a number."""
    targets = run.codec.targets
    if targets.kind == "number":
        return {"labels": [], "target": {"kind": "number"}}
    facts: Facts = {"labels": list(targets.labels.names), "target": {"kind": targets.kind}}
    if targets.kind == "labels":
        facts["target"] |= {"joined_by": targets.join(("", "")), "thresholds": run.model.thresholds.tolist()}
    return facts


def _bag_of_words(run: Run, folder: Path) -> Facts:
    model: BagOfWords = run.model
    run.codec.save(folder)
    ngrams = model.ngrams
    arrays: dict[str, NDArray[Any]] = {
        "roots": ngrams.roots.cpu().numpy().astype(np.int64),
        "first_child": ngrams.first_child.cpu().numpy().astype(np.int64),
        "last_token": ngrams.last_token.cpu().numpy().astype(np.uint32),
        "feature_weights": model.feature_weights.cpu().numpy().astype(np.float32),
        "output": model.output.weight.detach().cpu().numpy().astype(np.float32),
        "bias": model.bias.detach().cpu().numpy().astype(np.float32),
    }
    write_arrays(folder / "bag.safetensors", arrays, {})
    if model.target.kind == "number":
        scaling = {"scale": float(model.target_scale), "mean": float(model.target_mean)}
    else:
        scaling = {"temperature": float(model.temperature)}
    return {**_of_classifier(run), "order": ngrams.order, **scaling}


def _ngram(run: Run, folder: Path) -> Facts:
    run.codec.save(folder)
    write_arrays(folder / "ngrams.safetensors", _without_links(run.model.store), {})
    return _of_language_model(run)


def _without_links(store: Store) -> dict[str, NDArray[Any]]:
    """The arrays of n-grams without the links to shorter ones, which only fast scoring needs: 8 bytes for one of the
    longest n-grams, 16 for a shorter one."""
    return {name: np.asarray(array) for name, array in store._asdict().items() if name != "suffix"}


def _joint_ngram(run: Run, folder: Path) -> Facts:
    run.codec.save(folder)
    units = {"starts": run.model.starts, "unit_tokens": run.model.unit_tokens}
    write_arrays(folder / UNITS_FILE, _without_links(run.model.store) | units, {})
    decoding = run.plan.settings.decoding  # type: ignore[attr-defined]
    return {"decoding": {"beam_size": decoding.beam_size}, "tokenizers": _tokenizer_files(run)}


def _mixture(run: Run, folder: Path) -> Facts:
    run.codec.save(folder)
    model: Mixture = run.model
    return {
        "mode": model.mode,
        "modes": [part.mode for part in model.parts],
        "weights": model.weights.tolist(),
        "parts": [f"parts/{number}" for number in range(len(model.parts))],
    }


def _closed_form(run: Run, folder: Path) -> Facts:
    """Of ridge regression the maps; models that are fitted to each series anew have settings alone."""
    model: LocalForecaster = run.model
    run.codec.save(folder)
    if isinstance(model, Ridge):
        write_arrays(folder / "maps.safetensors", model.arrays(), {})
    return {
        "levels": list(LEVELS),
        "deviates": DEVIATES.tolist(),
        "factors": model.factors.tolist(),
        "horizon": run.codec.horizon,
        "period": model.period,
        "past": run.codec.past if isinstance(model, Ridge) else 0,
        "settings": model.options.model_dump(mode="json"),
    }


def _utterance_svm(run: Run, folder: Path) -> Facts:
    model: UtteranceSvm = run.model
    run.codec.save(folder)
    write_arrays(folder / VECTORS_FILE, model.arrays, {})
    return {"segments": model.options.segments}


def _word_vectors(run: Run, folder: Path) -> Facts:
    table = open_vectors(run.folder)
    arrays = {"vectors": np.asarray(table.matrix, np.float32)}
    subwords: Facts = {}
    if table.ngrams is not None:
        arrays["ngrams"] = np.asarray(table.ngrams.vectors, np.float32)
        subwords = table.ngrams.settings.model_dump()
    write_arrays(folder / "vectors.safetensors", arrays, {})
    write_atomic(folder / "words.json", json.dumps(list(table.words), ensure_ascii=False, indent=0) + "\n")
    return {"subwords": subwords, "infers": run.model.has_documents}


_FACTS: dict[type[Any], Callable[[Run], Facts]] = {
    AttentionalTranscriber: _of_attentional_transcriber,
    Classifier: _of_classifier,
    EncoderDecoder: _of_encoder_decoder,
    ForecastMixture: _of_forecast_mixture,
    ForecastNetwork: _of_forecaster,
    LanguageModel: _of_language_model,
    FrameTagger: _of_frame_tagger,
    Tagger: _of_tagger,
    Transcriber: _of_transcriber,
}

_WITHOUT_GRAPHS: dict[type[Any], tuple[str, Contents]] = {
    BagOfWords: ("bag of words", _bag_of_words),
    JointNgram: ("joint n-gram translator", _joint_ngram),
    LocalForecaster: ("closed-form forecaster", _closed_form),
    Mixture: ("mixture of language models", _mixture),
    NgramModel: ("n-gram language model", _ngram),
    UtteranceSvm: ("utterance svm", _utterance_svm),
    WordVectors: ("word vectors", _word_vectors),
}
"""Models that are tables instead of networks: a graph would make them neither smaller nor faster."""
