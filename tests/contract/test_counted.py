"""What every language model that is fitted at once can do, like any other: loss, scores and distributions agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import seqloom
from seqloom.data.batches import Batch
from seqloom.data.line_batches import line_batch
from seqloom.models.counted import CountBased
from seqloom.models.mixture import Mixture
from seqloom.tasks.counted_language_models import COUNTED

LINES = [f"the {noun} {verb} the {other}" for noun in "abcde" for verb in ("saw", "met") for other in "fghi"] * 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, seqloom.Run]:
    """A run of each, on text; those of which others are mixed come first."""
    folder = tmp_path_factory.mktemp("counted")
    parts = f"{folder / 'ngram'},{folder / 'gru'}"
    made = {}
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        small = {"model.hidden_size": 6, "embedding.dim": 5, "data.mode": "lines"}
        for name in ["gru", *sorted(COUNTED, key=lambda name: COUNTED[name] is Mixture)]:
            made[name] = seqloom.train(
                "language-model",
                LINES,
                model=name,
                valid=LINES[:8],
                out=folder / name,
                updates=0 if name in COUNTED else 2,
                settings={"mix": {"model.parts": parts}, "gru": small}.get(name, {}),
                quiet=True,
                threads=1,
            )
    return made


@pytest.fixture(params=sorted(COUNTED))
def run(request: pytest.FixtureRequest, runs: dict[str, seqloom.Run]) -> seqloom.Run:
    return runs[request.param]


@pytest.fixture
def model(run: seqloom.Run) -> CountBased:
    return run.trained.model


@pytest.fixture
def batch(run: seqloom.Run) -> Batch:
    encoded = run.codec.tokenizer.encode(["the a saw the f", "the never", "met the the"])
    return line_batch([[*ids, 3] for ids in encoded])


def test_the_loss_is_the_scores_of_what_counts(model: CountBased, batch: Batch) -> None:
    state, mask = model.initial_state(3), batch.mask()
    assert mask is not None
    loss, _ = model.loss(batch.inputs, batch.targets, state, batch.lengths, mask)
    scores, _ = model.log_prob(batch.inputs, batch.targets, state, batch.lengths)
    torch.testing.assert_close(loss, -scores.double()[mask].sum())


def test_scores_are_those_of_one_step_at_a_time(model: CountBased, batch: Batch) -> None:
    scores, _ = model.log_prob(batch.inputs, batch.targets, model.initial_state(3))
    state = model.initial_state(3)
    for step in range(batch.inputs.shape[1]):
        distribution, state = model.next_log_probs(batch.inputs[:, step : step + 1], state)
        torch.testing.assert_close(distribution.exp().sum(1).double(), torch.ones(3).double(), atol=1e-5, rtol=0)
        chosen = distribution.gather(1, batch.targets[:, step, None]).squeeze(1)
        real = batch.targets[:, step] != 0
        torch.testing.assert_close(chosen[real], scores[:, step][real], atol=1e-5, rtol=1e-5)


def test_chunks_are_the_whole(model: CountBased, batch: Batch) -> None:
    whole, _ = model.log_prob(batch.inputs, batch.targets, model.initial_state(3))
    state, parts = model.initial_state(3), []
    for chunk in (slice(0, 1), slice(1, 4), slice(4, None)):
        part, state = model.log_prob(batch.inputs[:, chunk], batch.targets[:, chunk], state)
        parts.append(part)
    real = batch.targets != 0
    torch.testing.assert_close(torch.cat(parts, 1)[real], whole[real], atol=1e-5, rtol=1e-5)


def test_a_saved_model_scores_the_same(run: seqloom.Run) -> None:
    assert seqloom.load(run.folder).score(LINES[:9]) == run.score(LINES[:9])


def test_commands_of_language_models_take_it(run: seqloom.Run, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(LINES[:5]), encoding="utf-8")
    assert run.evaluate(str(text))["perplexity"] > 1
    assert "".join(run.generate("the", max_tokens=3))
