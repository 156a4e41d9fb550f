"""Mixtures: weights that a made case must have, a likelihood that never falls, parts that do not fit together."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

import seqloom
from seqloom.errors import RequestError
from seqloom.models.mixture import em_weights
from tests.support.small_texts import moby_dick

pytestmark = pytest.mark.filterwarnings("ignore:many tokens of the text")  # a short text of rare words


def test_weights_of_a_made_case() -> None:
    """Tokens that are drawn from one of two distributions, three quarters of the time from the first."""
    rng = np.random.default_rng(1)
    first, second = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    tokens = rng.choice(3, 200_000, p=0.75 * first + 0.25 * second)
    weights = em_weights(np.log(np.stack([first[tokens], second[tokens]])), 1e-12)
    assert weights == pytest.approx([0.75, 0.25], abs=0.01)


def test_the_likelihood_never_falls() -> None:
    log_probs = np.log(np.random.default_rng(2).dirichlet(np.ones(50), (4, 300))[:, :, 0] + 1e-12)
    seen = [
        np.log(em_weights(log_probs, 1e-15, max_steps=steps) @ np.exp(log_probs)).mean()
        for steps in (1, 2, 3, 5, 9, 50)
    ]
    assert all(after >= before - 1e-12 for before, after in itertools.pairwise(seen))


def test_a_part_that_is_certain_of_nothing() -> None:
    log_probs = np.array([[-1.0, -2.0, -1.5], [-np.inf, -np.inf, -np.inf]])
    assert em_weights(log_probs, 1e-9) == pytest.approx([1, 0])


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, seqloom.Run]:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(moby_dick(150)))
    small = {"model.hidden_size": 8, "embedding.dim": 8}
    asked = {
        "ngram": ("ngram", {"order": 3}),
        "unigram": ("ngram", {"order": 1}),
        "stream": ("gru", small),
        "lines": ("gru", {**small, "data.mode": "lines"}),
        "other": ("ngram", {"order": 2, "tokenizer.min_count": 1}),
    }
    return {
        name: seqloom.train(
            "language-model", str(text), model=model, updates=20, out=tmp_path / name, settings=settings, quiet=True
        )
        for name, (model, settings) in asked.items()
    }


def mixture(runs: dict[str, seqloom.Run], *names: str, **settings: object) -> seqloom.Run:
    folder = runs["ngram"].folder.parent
    parts = {"model.parts": [str(runs[name].folder) for name in names]}
    return seqloom.train(
        "language-model",
        str(folder / "text.txt"),
        model="mix",
        out=folder / f"mix-{'-'.join(names)}-{len(settings)}",
        settings=parts | settings,
        quiet=True,
    )


def test_mixtures_are_at_least_as_good_as_their_parts(runs: dict[str, seqloom.Run], tmp_path: Path) -> None:
    for names in (("ngram", "unigram"), ("ngram", "stream"), ("ngram", "lines")):
        mixed = mixture(runs, *names)
        scores = [runs[name].summary["valid"]["perplexity"] for name in names]
        assert mixed.summary["valid"]["perplexity"] <= min(scores) + 1e-3
        for name in names:  # the copies are all that it needs
            runs[name].folder.rename(tmp_path / "gone")
            again = seqloom.load(mixed.folder)
            assert again.score(["the whale"])[0].log_prob == pytest.approx(mixed.score(["the whale"])[0].log_prob)
            (tmp_path / "gone").rename(runs[name].folder)
        log_probs, _ = mixed.model.next_log_probs(torch.tensor([[2, 5]]), mixed.model.initial_state(1))
        assert log_probs.exp().sum() == pytest.approx(1, abs=1e-5)
        mixed.save(tmp_path / f"copy-{names[1]}")
        assert seqloom.load(tmp_path / f"copy-{names[1]}").num_parameters() == mixed.num_parameters()


def test_parts_that_do_not_fit_together(runs: dict[str, seqloom.Run]) -> None:
    with pytest.raises(RequestError, match="the same vocabulary"):
        mixture(runs, "ngram", "other")
    with pytest.raises(RequestError, match="at least two models"):
        mixture(runs, "ngram")
    with pytest.raises(RequestError, match="a model of lines cannot be part of a mixture"):
        mixture(runs, "stream", "lines")
    assert mixture(runs, "stream", "lines", **{"data.mode": "lines"}).summary["finished"]
