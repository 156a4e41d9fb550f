"""Ensembles of taggers: what they answer is the geometric mean of the distributions over sequences of tags."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import seqloom
from seqloom.cli.main import app
from seqloom.errors import RequestError
from seqloom.nn.crf.chain import path_score
from seqloom.nn.crf.crf import CRF, NEVER
from seqloom.nn.crf.tag_output import TagSoftmax, most_probable
from tests.support.sentences import shared_tagger, train_tagger, write_sentences

LINES = ["Then Ada Stone went to Paris .", "", "Kurt flew to Oslo City 12 times .", "Xyz"]
TAGS, STEPS = 3, 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[seqloom.Run]:
    folder = tmp_path_factory.mktemp("ensemble")
    return [train_tagger(folder / f"run-{seed}", updates=8, words__dim=4 + seed) for seed in (1, 2)]


def random_crfs() -> list[CRF]:
    legal = torch.ones(TAGS + 1, TAGS + 1, dtype=torch.bool)
    legal[0, 1] = False
    crfs = [CRF(legal) for _ in range(3)]
    for parameter in itertools.chain(*(crf.parameters() for crf in crfs)):
        torch.nn.init.normal_(parameter)
    return crfs


@pytest.mark.parametrize("kind", ["crf", "softmax"])
def test_an_ensemble_is_the_geometric_mean_of_all_paths(kind: str) -> None:
    """Against the enumeration of all sequences of tags."""
    torch.manual_seed(3)
    crfs, emissions = random_crfs(), torch.randn(3, 1, STEPS, TAGS)
    paths = torch.tensor(list(itertools.product(range(TAGS), repeat=STEPS)))
    log_probs = []
    for crf, scores in zip(crfs, emissions, strict=True):
        if kind == "crf":
            totals = path_score(scores.expand(len(paths), -1, -1), paths, crf.chain(NEVER), None).detach()
        else:
            totals = scores.expand(len(paths), -1, -1).gather(2, paths[:, :, None]).sum((1, 2))
        log_probs.append(totals.log_softmax(0))
    expected = torch.stack(log_probs).mean(0).softmax(0)
    outputs = crfs if kind == "crf" else [TagSoftmax() for _ in crfs]
    output = outputs[0].mean(outputs[1:])  # type: ignore[arg-type]
    tags, probabilities = most_probable(output, emissions.mean(0), None, None)
    assert tags[0].tolist() == paths[expected.argmax()].tolist()
    for step in range(STEPS):
        marginal = expected[paths[:, step] == tags[0, step]].sum()
        assert float(probabilities[0, step]) == pytest.approx(float(marginal), abs=1e-4)


def test_a_run_with_itself_is_the_run(runs: list[seqloom.Run]) -> None:
    run = runs[0]
    for alone, both in zip(run.answers(LINES), run.ensemble([run, run]).answers(LINES), strict=True):
        assert both[0].to_json()["tags"] == alone[0].to_json()["tags"]
        np.testing.assert_allclose(both[0].to_json()["probabilities"], alone[0].to_json()["probabilities"], atol=1e-5)


def test_the_order_of_the_runs_changes_nothing(runs: list[seqloom.Run]) -> None:
    one, other = runs
    texts = [one.ensemble([other]).predict(LINES), other.ensemble([one]).predict(LINES)]
    assert texts[0] == texts[1]
    scores = [
        [answer.score for (answer,) in run.ensemble([other_run]).answers(LINES[:1])]
        for run, other_run in (runs, reversed(runs))
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_known_tags_stay_in_an_ensemble(runs: list[seqloom.Run]) -> None:
    sentence = [("Xyz", "B-PER"), ("went", None), "home"]
    ((answer,),) = runs[0].ensemble(runs[1:]).answers([sentence])
    assert answer.to_json()["tags"][0] == "B-PER"


def test_the_command_line_has_ensembles(runs: list[seqloom.Run], tmp_path: Path) -> None:
    text = tmp_path / "lines.txt"
    text.write_text("\n".join(LINES) + "\n")
    arguments = ["predict", str(runs[0].folder), "--ensemble", str(runs[1].folder), str(text)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == "\n".join(runs[0].ensemble(runs[1:]).predict(LINES)) + "\n"


def test_runs_that_do_not_go_together(runs: list[seqloom.Run], tmp_path: Path) -> None:
    other_output = train_tagger(tmp_path / "softmax", updates=2, output="softmax")
    other_words = train_tagger(tmp_path / "words", updates=2, vocabulary__vocab_size=8)
    with pytest.raises(RequestError, match="one kind of output"):
        runs[0].ensemble([other_output])
    with pytest.raises(RequestError, match="share their words and tags"):
        runs[0].ensemble([other_words])


def test_auxiliary_columns_do_not_keep_runs_apart(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    plain = shared_tagger(tmp_path_factory, updates=60)
    lines = Path(write_sentences(tmp_path / "sentences.conll")).read_text().split("\n")
    rows = (line.split() for line in lines)
    columns = (f"{row[0]} {len(row[0])} {row[1]}" if row else "" for row in rows)
    (tmp_path / "sentences.conll").write_text("\n".join(columns))
    learnt = train_tagger(tmp_path / "run", updates=2, data__auxiliary=2)
    assert len(learnt.ensemble([plain]).predict(LINES)) == len(LINES)
