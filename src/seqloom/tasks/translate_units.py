"""The joint n-gram model in the task `translate`: its settings, its answers, and ensembles of it with networks."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from pydantic import create_model

from seqloom.config import Settings, unused
from seqloom.data.pairs import PairCodec, PairTokenizerSettings
from seqloom.data.readers.pairs import Pair
from seqloom.decoding.joint_translation import JointTranslator
from seqloom.decoding.line_scores import LineScores
from seqloom.decoding.search_options import Search
from seqloom.decoding.terms import with_terms
from seqloom.decoding.translation import Translation
from seqloom.errors import RequestError
from seqloom.models.fitted import FittedSettings, WithoutGradients
from seqloom.models.joint_ngram.model import JointNgram
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.translate_settings import DataSettings, DecodingSettings

JOINT = "joint-ngram"
_CANDIDATES = 10
"""Translations of each model of an ensemble for a source, of which it takes the best."""
_LINES_AT_ONCE = 64
_OPTIONS = {"attention", "beam_size", "n_best"}

Translate = Callable[[Trained, Sequence[str], Mapping[str, Any]], Iterator[Sequence[Translation]]]
Score = Callable[[Trained, Sequence[Pair]], LineScores]


class CandidateEnsemble(WithoutGradients):
    """Translation models, a joint n-gram model among them, that each propose translations. These are ranked by the mean
    of their log-probabilities in all models: a product of experts (Hinton 1999)."""

    def __init__(self, members: Sequence[Trained]) -> None:
        self.members = members

    def num_parameters(self) -> int:
        return sum(member.num_parameters() for member in self.members)


def check_has_probabilities(trained: Trained) -> None:
    """Raises RequestError for a `CandidateEnsemble`, which only answers: the means that it ranks by are not
    normalised."""
    if isinstance(trained.model, CandidateEnsemble):
        raise RequestError(
            "an ensemble with a joint n-gram model has no probabilities", expected="a single run, or runs of networks"
        )


def joint_settings() -> type[Settings]:
    """The settings class of the model, without settings of a network."""
    of_data = [name for name in DataSettings.model_fields if name not in ("columns", "reverse")]
    of_search = [name for name in DecodingSettings.model_fields if name != "beam_size"]
    data, decoding = unused(DataSettings, of_data), unused(DecodingSettings, of_search)
    fields: dict[str, Any] = {
        "tokenizer": (PairTokenizerSettings, PairTokenizerSettings()),
        "data": (data, data()),
        "decoding": (decoding, decoding()),
        "model": (JointNgram.settings, JointNgram.settings()),
    }
    return create_model("JointNgramTranslateSettings", __base__=FittedSettings, **fields)


def joint_preset() -> dict[str, Any]:
    return {"decoding.beam_size": 50}


def translator_of(trained: Trained) -> JointTranslator:
    return JointTranslator(trained.model, cast(PairCodec, trained.codec), trained.settings.decoding.beam_size)


def joint_answers(
    trained: Trained, inputs: Sequence[Any], options: Mapping[str, Any], translate: Translate, score: Score
) -> Iterator[Sequence[Translation]]:
    """The translations of a joint n-gram model, or of an ensemble with one. The options are `n_best`, `beam_size` and
    `attention`. Raises RequestError for any other. `translate` and `score` are those of the task."""
    for name in options:
        if name not in _OPTIONS:
            expected = ", ".join(sorted(_OPTIONS))
            raise RequestError("a joint n-gram model does not have this option", where=name, expected=expected)
    lines = []
    for number, item in enumerate(inputs, 1):
        line = with_terms(item, number)
        if line.require or line.forbid:
            raise RequestError("a joint n-gram model takes no terms", where=f"input {number}")
        lines.append(line.source)
    beam_size = max(trained.settings.decoding.beam_size, options.get("n_best", 1))
    search = Search(**{"beam_size": beam_size, **options})
    if not isinstance(trained.model, CandidateEnsemble):
        return translator_of(trained).translate(lines, search)
    if search.attention:
        raise RequestError("an ensemble with a joint n-gram model gives no attention", where="attention")
    most = max(search.n_best, _CANDIDATES)
    beam = {"beam_size": max(search.beam_size, most)} if "beam_size" in options else {}
    return _ranked_by_all(trained.model.members, lines, search.n_best, {"n_best": most, **beam}, translate, score)


def _ranked_by_all(
    models: Sequence[Trained],
    lines: Sequence[str],
    n_best: int,
    options: Mapping[str, Any],
    translate: Translate,
    score: Score,
) -> Iterator[list[Translation]]:
    """`options`: those with which each model proposes translations."""
    for first in range(0, len(lines), _LINES_AT_ONCE):
        some = lines[first : first + _LINES_AT_ONCE]
        by_line: list[dict[str, None]] = [{} for _ in some]
        for model in models:
            for texts, candidates in zip(by_line, translate(model, some, options), strict=True):
                texts.update(dict.fromkeys(candidate.text for candidate in candidates))
        pairs = [Pair(line, text) for line, texts in zip(some, by_line, strict=True) for text in texts]
        means = iter(np.mean([score(model, pairs).log_probs for model in models], axis=0).tolist())
        for line, texts in zip(some, by_line, strict=True):
            ranked = [Translation(text, mean, mean) for text, mean in zip(texts, means, strict=False)]
            best = heapq.nlargest(n_best, ranked, key=lambda candidate: candidate.score)
            yield best if line.strip() else [Translation("", 0.0, 0.0)]
