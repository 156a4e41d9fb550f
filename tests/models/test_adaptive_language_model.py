"""A language model that adapts predicts each token before it adapts to it, and is the equations of the papers."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
from seqloom.errors import RequestError
from seqloom.models.adaptation import Adaptation
from seqloom.models.adaptive_language_model import SEGMENT, AdaptiveLanguageModel
from seqloom.models.adaptive_mixture import AdaptiveMixture
from seqloom.models.language_model import LanguageModel
from seqloom.models.neural_cache import SHARES, SHARPNESS
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.layer import layers
from seqloom.nn.output import OutputSettings
from tests.support.texts import with_small, write_text

VOCABULARY, TOKENS = 30, 70
ADAPTATIONS = [Adaptation(cache=15), Adaptation(learning_rate=0.5), Adaptation(cache=15, learning_rate=0.5)]


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(1)
    layer, counts = layers["lstm"], np.arange(VOCABULARY, 0, -1)
    settings = layer.settings(hidden_size=10)  # type: ignore[call-arg]
    return LanguageModel.build(layer, settings, EmbeddingSettings(dim=8), OutputSettings(), counts).eval()


@pytest.fixture
def text() -> torch.Tensor:
    return torch.randint(5, 15, (1, TOKENS + 1), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=str)
def test_a_token_does_not_depend_on_later_ones(
    adaptation: Adaptation, model: LanguageModel, text: torch.Tensor
) -> None:
    adaptive, place = AdaptiveLanguageModel(model, adaptation), 50
    changed = text.clone()
    changed[:, place + 1 :] = 3
    before, after = (adaptive.log_prob(t[:, :-1], t[:, 1:], adaptive.initial_state(1))[0] for t in (text, changed))
    torch.testing.assert_close(before[:, :place], after[:, :place], rtol=0, atol=0)
    assert not torch.equal(before[:, place:], after[:, place:])


@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=str)
def test_all_continuations_have_a_probability_of_one(
    adaptation: Adaptation, model: LanguageModel, text: torch.Tensor
) -> None:
    adaptive = AdaptiveLanguageModel(model, adaptation)
    log_probs, _ = adaptive.next_log_probs(text, adaptive.initial_state(1))
    assert float(log_probs.double().exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=str)
def test_the_distribution_has_the_probability_of_each_token(
    adaptation: Adaptation, model: LanguageModel, text: torch.Tensor
) -> None:
    """The last token is not adapted to, in both ways of reading."""
    adaptive = AdaptiveLanguageModel(model, adaptation)
    scores, _ = adaptive.log_prob(text[:, :-1], text[:, 1:], adaptive.initial_state(1))
    log_probs, _ = adaptive.next_log_probs(text[:, :-1], adaptive.initial_state(1))
    assert float(log_probs[0, text[0, -1]]) == pytest.approx(float(scores[0, -1]), abs=1e-5)


def test_a_cache_read_token_by_token_is_the_same(model: LanguageModel, text: torch.Tensor) -> None:
    adaptive = AdaptiveLanguageModel(model, Adaptation(cache=15))
    scores, _ = adaptive.log_prob(text[:, :-1], text[:, 1:], adaptive.initial_state(1))
    state, one_by_one = adaptive.initial_state(1), []
    for token, target in zip(text[:, :-1].T, text[:, 1:].T, strict=True):
        log_probs, state = adaptive.next_log_probs(token[None], state)
        one_by_one.append(float(log_probs[0, target]))
    np.testing.assert_allclose(one_by_one, scores[0].numpy(), atol=2e-5)


@torch.no_grad()
def test_the_cache_is_that_of_the_paper(model: LanguageModel, text: torch.Tensor) -> None:
    """Token by token, each expert by itself, mixed by their probabilities so far."""
    size = 15
    hidden = model(text[:, :-1])[0][0].double()
    of_model = model.output.softmax.log_probs(hidden.float()).double().exp()
    experts = [(0.0, 1.0), *((share, theta) for share in SHARES for theta in SHARPNESS)]
    posterior, expected = np.full(len(experts), 1 / len(experts)), []
    for t, target in enumerate(text[0, 1:].tolist()):
        probs = []
        for share, theta in experts:
            recent = range(max(0, t - size), t)
            weights = [math.exp(theta * float(torch.cosine_similarity(hidden[t], hidden[i], dim=0))) for i in recent]
            hits = sum(w for w, i in zip(weights, recent, strict=True) if text[0, i + 1] == target)
            cached = hits / sum(weights) if weights else float(of_model[t, target])
            probs.append((1 - share) * float(of_model[t, target]) + share * cached)
        expected.append(math.log(posterior @ probs))
        posterior = posterior * probs / (posterior @ probs)
    adaptive = AdaptiveLanguageModel(model, Adaptation(cache=size))
    scores, _ = adaptive.log_prob(text[:, :-1], text[:, 1:], adaptive.initial_state(1))
    np.testing.assert_allclose(scores[0].numpy(), expected, atol=1e-5)


def test_dynamic_evaluation_is_gradient_descent_on_what_was_scored(model: LanguageModel, text: torch.Tensor) -> None:
    rate, plain, state, expected = 0.5, copy.deepcopy(model), None, []
    for first in range(0, TOKENS, SEGMENT):
        inputs, targets = text[:, first : first + SEGMENT], text[:, first + 1 : first + SEGMENT + 1]
        inputs = inputs[:, : targets.shape[1]]
        hidden, state = plain(inputs, state)
        log_probs = plain.output.softmax.log_probs(hidden[0]).gather(1, targets.T)[:, 0]
        expected += log_probs.tolist()
        plain.zero_grad()
        (plain.output.softmax.loss(hidden[0], targets[0]) / targets.shape[1]).backward()
        with torch.no_grad():
            for parameter in plain.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
        state = tuple(tuple(part.detach() for part in layer) for layer in state)
    weights = [parameter.clone() for parameter in model.parameters()]
    adaptive = AdaptiveLanguageModel(model, Adaptation(learning_rate=rate))
    scores, _ = adaptive.log_prob(text[:, :-1], text[:, 1:], adaptive.initial_state(1))
    np.testing.assert_allclose(scores[0].numpy(), expected, atol=1e-5)
    again, _ = adaptive.log_prob(text[:, :-1], text[:, 1:], adaptive.initial_state(1))
    torch.testing.assert_close(again, scores, rtol=0, atol=0)  # a new text begins with the trained weights
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))


@pytest.mark.parametrize("mode", ["stream", "lines"])
def test_a_run_adapts(mode: str, tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    settings: dict[str, Any] = with_small({"data.mode": mode, "model.hidden_size": 8})
    options: dict[str, Any] = {"updates": 3, "threads": 1, "quiet": True, "out": tmp_path / "run"}
    run = seqloom.train("language-model", text, model="lstm", settings=settings, **options)
    plain, adapted = run.evaluate(text), run.adapted(cache=100, learning_rate=0.2)
    scores = adapted.evaluate(text)
    assert scores.keys() == plain.keys()
    assert scores["tokens"] == plain["tokens"]
    assert scores["perplexity"] < plain["perplexity"]
    lines = Path(text).read_text().splitlines()
    by_line = adapted.score(lines)
    assert -by_line.log_probs.sum() / plain["tokens"] == pytest.approx(math.log(scores["perplexity"]), rel=1e-4)
    assert by_line.tokens.sum() == plain["tokens"]
    tokens = adapted.score_tokens(lines[:5])
    assert sum(token.log_prob for token in tokens[4]) == pytest.approx(by_line[4].log_prob, rel=1e-4)
    assert run.evaluate(text) == plain
    generated = list(adapted.generate("w1 w2", max_tokens=5))
    assert generated == list(adapted.generate("w1 w2", max_tokens=5))


@pytest.mark.parametrize("values", [{}, {"cache": -1}, {"learning_rate": -1.0}, {"learning_rate": math.inf}], ids=str)
def test_what_cannot_be_adapted_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(seqloom.RequestError):
        Adaptation(**values)


def test_a_count_based_model_does_not_adapt(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    run = seqloom.train("language-model", text, model="ngram", quiet=True, out=tmp_path / "run")
    with pytest.raises(seqloom.RequestError, match="only neural language models"):
        run.adapted(cache=10)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> tuple[seqloom.Run, str]:
    """Of a network and n-grams, and its text."""
    folder = tmp_path_factory.mktemp("mixture")
    text = write_text(folder / "text.txt", lines=60)
    options: dict[str, Any] = {"threads": 1, "quiet": True, "updates": 3}
    settings: dict[str, Any] = with_small({"model.hidden_size": 8})
    seqloom.train("language-model", text, model="lstm", settings=settings, out=folder / "lstm", **options)
    seqloom.train("language-model", text, model="ngram", out=folder / "ngram", threads=1, quiet=True)
    parts = f"{folder / 'lstm'},{folder / 'ngram'}"
    settings = {"model.parts": parts}
    return seqloom.train(
        "language-model", text, model="mix", settings=settings, out=folder / "mix", threads=1, quiet=True
    ), text


@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=str)
def test_a_mixture_adapts(adaptation: Adaptation, mixture: tuple[seqloom.Run, str]) -> None:
    run, path = mixture
    plain, adapted = run.evaluate(path), run.adapted(cache=adaptation.cache, learning_rate=adaptation.learning_rate)
    scores = adapted.evaluate(path)
    assert scores.keys() == plain.keys()
    assert scores["perplexity"] < plain["perplexity"]
    lines = Path(path).read_text().splitlines()
    assert -adapted.score(lines).log_probs.sum() / plain["tokens"] == pytest.approx(
        math.log(scores["perplexity"]), rel=1e-4
    )
    assert run.evaluate(path) == plain
    generated = list(adapted.generate("w1 w2", max_tokens=5))
    assert generated == list(adapted.generate("w1 w2", max_tokens=5))
    with pytest.raises(RequestError, match="has no vectors"):
        list(adapted.embed(["w1"]))


@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=str)
def test_a_mixture_that_adapts_is_a_distribution_that_depends_on_the_past(
    adaptation: Adaptation, mixture: tuple[seqloom.Run, str], text: torch.Tensor
) -> None:
    adaptive, place = AdaptiveMixture(mixture[0].model, adaptation), 50
    changed = text.clone()
    changed[:, place + 1 :] = 3
    before, after = (adaptive.log_prob(t[:, :-1], t[:, 1:], adaptive.initial_state(1))[0] for t in (text, changed))
    torch.testing.assert_close(before[:, :place], after[:, :place], rtol=0, atol=0)
    log_probs, _ = adaptive.next_log_probs(text[:, :-1], adaptive.initial_state(1))
    assert float(log_probs.double().exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(log_probs[0, text[0, -1]]) == pytest.approx(float(before[0, -1]), abs=1e-5)


def test_the_weight_of_a_part_that_is_right_grows(mixture: tuple[seqloom.Run, str], text: torch.Tensor) -> None:
    """As the equations say, token by token."""
    adaptive = AdaptiveMixture(mixture[0].model, Adaptation(cache=15))
    state = adaptive.initial_state(1)
    by_part, _ = adaptive.mixture.log_prob_of_parts(text[:, :-1], text[:, 1:], state.parts)
    sums, expected = state.responsibilities[0].numpy().copy(), []
    for of_parts in by_part[:, 0].exp().numpy().T:
        expected.append(math.log(of_parts @ sums / sums.sum()))
        sums += of_parts * sums / (of_parts @ sums)
    scores, after = adaptive.log_prob(text[:, :-1], text[:, 1:], adaptive.initial_state(1))
    np.testing.assert_allclose(scores[0].numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(after.responsibilities[0].numpy(), sums, rtol=1e-9)
    assert after.responsibilities.sum() == pytest.approx(state.responsibilities.sum() + text.shape[1] - 1)


def test_a_part_without_weight_keeps_none(mixture: tuple[seqloom.Run, str], text: torch.Tensor) -> None:
    """Even where it alone would know the next token."""
    model = copy.copy(mixture[0].model)
    model.weights = torch.tensor([0.0, 1.0], dtype=torch.float64)
    adaptive = AdaptiveMixture(model, Adaptation(cache=15))
    state = adaptive.initial_state(1)
    scores, after = adaptive.log_prob(text[:, :-1], text[:, 1:], state)
    by_part, _ = model.log_prob_of_parts(text[:, :-1], text[:, 1:], model.initial_state(1))
    np.testing.assert_allclose(scores[0].numpy(), by_part[1, 0].numpy(), rtol=1e-9)
    assert after.responsibilities[0, 0] == 0


def test_a_model_without_a_network_does_not_adapt(mixture: tuple[seqloom.Run, str]) -> None:
    counts = seqloom.load(mixture[0].folder.parent / "ngram", threads=1)
    with pytest.raises(RequestError, match="a mixture with one"):
        counts.adapted(cache=10)
