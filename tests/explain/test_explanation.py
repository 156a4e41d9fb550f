"""Explanations of small runs of every task: the page, the JSON, the commands, and what inputs are weighed."""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
from seqloom.config import parse_assignments
from seqloom.explain.explanation import _plain, explain
from seqloom.explain.findings import Finding
from seqloom.explain.measured import Measured
from seqloom.explain.measures.count_models import back_off
from seqloom.explain.measures.memory_length import curve_of
from seqloom.explain.prescriptions import _CURES, context_prescriptions, prescribe, prescriptions, scaled
from seqloom.explain.probes.make import make_probe
from seqloom.explain.probes.probe import NetworkProbe, whole_sequences
from seqloom.explain.trials import Trial, try_prescriptions, works
from seqloom.files import make_folder
from seqloom.models.ngram.model import NgramModel
from seqloom.run import make_settings
from tests.support.command_line import CommandLine
from tests.support.labelled import train_labelled, write_labelled, write_series
from tests.support.page_elements import Elements, loads
from tests.support.pairs import train_pairs, write_pairs
from tests.support.ranks import write_neighbours
from tests.support.small_tasks import SMALL_TASKS
from tests.support.tagged_numbers import train_levels, write_levels


def text_run(folder: Path, model: str = "lstm", **settings: object) -> tuple[seqloom.Run, str]:
    data = write_neighbours(folder / "text.txt", 120)
    small = {"tokenizer.min_count": 2, **settings}
    if model != "ngram":
        small["training.evaluations"] = 4
        side = {"model.model_dim": 8, "model.num_heads": 2} if model == "transformer" else {"model.hidden_size": 8}
        small |= {"embedding.dim": 8, **side}
    run = seqloom.train(
        "language-model",
        data,
        model=model,
        out=folder / f"run-{model}",
        updates=8,
        threads=1,
        quiet=True,
        settings=small,
    )
    return run, data


def labelled(folder: Path) -> tuple[seqloom.Run, str]:
    data = write_labelled(folder / "labelled.tsv")
    return train_labelled(folder / "run", model="bilstm+attention", data=data, updates=8), data


def numbers(folder: Path) -> tuple[seqloom.Run, str]:
    data = write_series(folder / "numbers.ts")
    return train_labelled(folder / "run", model="gru", data=data, updates=8), data


def pairs(folder: Path) -> tuple[seqloom.Run, str]:
    write_pairs(folder / "pairs.tsv", 60)
    return train_pairs(folder / "run", model="gru+attention", updates=8), str(folder / "pairs.tsv")


def tagged(folder: Path) -> tuple[seqloom.Run, str]:
    path = folder / "tagged.conll"
    path.write_text("\n".join("the D\ndog N\nbarks V\n" if i % 2 else "a D\ncat N\nsleeps V\n" for i in range(40)))
    small = {"words.dim": 6, "characters.dim": 4, "characters.hidden_size": 3, "model.hidden_size": 6}
    run = seqloom.train(
        "tag", str(path), valid=str(path), out=folder / "run", updates=8, threads=1, quiet=True, settings=small
    )
    return run, str(path)


def tagged_steps(folder: Path) -> tuple[seqloom.Run, str]:
    data = write_levels(folder / "levels.csv")
    return train_levels(folder / "run", model="gru", updates=8, data=data), data


def forecast(folder: Path) -> tuple[seqloom.Run, str]:
    path = folder / "series.csv"
    rows = (f"2001-{1 + i // 28:02d}-{1 + i % 28:02d},{10 + (i % 7) + 0.1 * (i % 3)}" for i in range(300))
    path.write_text("date,value\n" + "\n".join(rows) + "\n")
    small = {"model.hidden_size": 8, "data.horizon": 3}
    run = seqloom.train(
        "forecast", str(path), model="gru", out=folder / "run", updates=8, threads=1, quiet=True, settings=small
    )
    return run, str(path)


def algorithm(folder: Path) -> tuple[seqloom.Run, str]:
    small = {"model.hidden_size": 8, "data.held_out": 12, "model.memory_size": 8}
    run = seqloom.train(
        "algorithm", "copy:length=4", model="ntm", out=folder / "run", updates=4, threads=1, quiet=True, settings=small
    )
    return run, "copy:length=4"


SLOW = [pytest.param(train, marks=pytest.mark.slow) for train in (numbers, tagged, tagged_steps, forecast, algorithm)]


@pytest.mark.parametrize("train", [text_run, labelled, pairs, *SLOW])
def test_every_task_is_explained(train: Callable[[Path], tuple[seqloom.Run, str]], tmp_path: Path) -> None:
    run, data = train(tmp_path)
    explanation = run.explain(data)
    assert explanation.verdict
    (measured,) = explanation.measured
    assert measured.curve is not None
    assert (measured.chance is not None) == (run.plan.task in ("classify", "tag"))
    assert measured.attribution is not None
    assert measured.attribution.error <= 0.02 or abs(measured.attribution.difference) < 1e-3
    assert len(measured.attribution.weights) == len(measured.attribution.names)
    _assert_scores_agree_in_float64(run, data)
    assert measured.example is not None
    assert measured.example.gates or measured.example.heads
    for layer in measured.example.gates:
        assert all(len(means) == len(layer.names) for means in layer.means.values())
        assert all(0 <= value <= 1 for means in layer.means.values() for value in means)
    charts = explanation.to_json()["charts"]
    json.dumps(charts, allow_nan=False)
    assert charts["memory"]["numbers"]
    assert all(chart["limits"] for chart in charts.values())


def _assert_scores_agree_in_float64(run: seqloom.Run, data: str) -> None:
    """Integrated gradients go on in float64 where float32 does not resolve a jump of the score."""
    probe = make_probe(run, run.read(data))
    assert isinstance(probe, NetworkProbe)
    with torch.no_grad(), whole_sequences(probe.network):
        example = probe.example(None, None)
        assert example is not None
        scores = example.score(example.network, example.elements)
        precise = example.score(copy.deepcopy(example.network).double(), example.elements.double())
    torch.testing.assert_close(scores.double(), precise.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", ["ngram", pytest.param("ffnn", marks=pytest.mark.slow), "transformer"])
def test_language_models_without_recurrence_have_a_memory_curve(model: str, tmp_path: Path) -> None:
    run, data = text_run(tmp_path, model)
    explanation = run.explain(data)
    assert explanation.measured[0].curve is not None
    assert bool(explanation.back_off) == (model == "ngram")
    assert bool(explanation.measured[0].heads) == (model == "transformer")
    if model == "transformer":
        example = explanation.measured[0].example
        assert example is not None
        assert len(example.heads) == len({head.layer for head in explanation.measured[0].heads})
        for layer in example.heads:
            time = len(layer.names)
            assert layer.weights.shape == (time, 2, time)
            np.testing.assert_allclose(layer.weights.sum(2), 1, rtol=1e-5)
            assert not np.triu(layer.weights.transpose(1, 0, 2), 1).any()  # nothing attends to what comes later
    if model == "ngram":
        assert sum(explanation.back_off["ngram"].shares) == pytest.approx(1.0)


def test_a_bag_of_words_shows_the_words_of_each_class(tmp_path: Path) -> None:
    data = write_labelled(tmp_path / "labelled.tsv")
    run = train_labelled(tmp_path / "run", model="bow", data=data, updates=60)
    (classes,) = run.explain(data).class_weights.values()
    best = {of_class.label: of_class.ngrams[:3] for of_class in classes}
    assert any(word in " ".join(best["animal"]) for word in ("cat", "dog", "cow", "rat"))


def test_runs_are_laid_over_each_other_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, data = text_run(tmp_path)
    second, _ = text_run(tmp_path, "ngram")
    outcome = CommandLine(monkeypatch, capsys)("explain", first.folder, second.folder, data, "--out", tmp_path / "out")
    assert outcome.status == 0, outcome.errors
    html = (tmp_path / "out" / "explain.html").read_text()
    assert not Elements(html).open
    assert not loads(html)
    assert "The data need about" in outcome.output
    names = {
        row["name"]
        for row in json.loads((tmp_path / "out" / "explain.json").read_text())["charts"]["memory"]["numbers"]
        if "name" in row
    }
    assert names == {"lstm", "ngram"}


@pytest.mark.parametrize("task", ["vectors", "transcribe", "describe"])
def test_a_run_without_contexts_of_tokens_is_judged_by_its_training(task: str, tmp_path: Path) -> None:
    small = SMALL_TASKS[task]
    data = small.data(tmp_path)
    run = small.train(task, data, tmp_path / "run")
    explanation = run.explain(data)
    (measured,) = explanation.measured
    assert measured.health is not None
    assert measured.health.valid
    unexamined = "not contexts and gradients by lag" in explanation.verdict[-1]
    assert unexamined == (task != "describe")
    assert (measured.attribution is None) == unexamined
    if task == "describe":
        _assert_scores_agree_in_float64(run, data)
    json.dumps(explanation.to_json(), allow_nan=False)


def test_the_first_line_that_can_be_weighed_is_the_example(tmp_path: Path) -> None:
    run, data = text_run(tmp_path)
    lines = ["CHAPTER", "", *Path(data).read_text().splitlines()]
    (measured,) = run.explain(lines).measured
    assert measured.attribution is not None
    assert measured.attribution.output.startswith("log p(")
    with pytest.raises(seqloom.RequestError, match="fewer than two tokens"):
        run.explain(lines, example=1)


def test_a_text_of_single_words_is_explained_without_an_example(tmp_path: Path) -> None:
    run, data = text_run(tmp_path)
    words = Path(data).read_text().split()
    (measured,) = run.explain(words).measured
    assert measured.attribution is None
    assert measured.curve is not None


def test_runs_of_two_tasks_are_refused(tmp_path: Path) -> None:
    first, data = text_run(tmp_path)
    second, _ = labelled(tmp_path)
    with pytest.raises(seqloom.RequestError, match="one task"):
        explain([first, second], data)


def test_runs_of_one_model_are_named_by_their_folders(tmp_path: Path) -> None:
    (first, data), (second, _) = (text_run(make_folder(tmp_path / name), "ngram") for name in ("a", "b"))
    names = [measured.name for measured in explain([first, second], data).measured]
    assert names == [str(run.folder.resolve()) for run in (first, second)]
    with pytest.raises(seqloom.RequestError, match="twice"):
        explain([first, first], data)


def test_a_mixture_of_language_models_is_explained(tmp_path: Path) -> None:
    runs = [text_run(make_folder(tmp_path / str(order)), "ngram", **{"model.order": order}) for order in (2, 3)]
    data, parts = runs[0][1], {"model.parts": [str(run.folder) for run, _ in runs]}
    mixed = seqloom.train(
        "language-model", data, model="mix", out=tmp_path / "mixed", quiet=True, threads=1, settings=parts
    )
    assert mixed.explain(data).measured[0].curve is not None


def test_the_first_word_of_a_line_is_known_after_the_beginning_of_the_line(tmp_path: Path) -> None:
    lines = [f"the {name} sleeps" for name in "abcdefghijklmnopqrst"] * 4
    run = seqloom.train(
        "language-model", lines, model="ngram", out=tmp_path / "run", quiet=True, threads=1, valid=lines, test=lines,
        settings={"model.order": 2, "model.smoothing": "witten-bell", "tokenizer.min_count": 1},
    )  # fmt: skip
    assert isinstance(run.model, NgramModel)
    shares = back_off(run.model, run.read(lines)).shares
    assert shares[1] >= 1 - 1 / (4 * len(lines))  # all but the first token of the text


def test_a_prescription_changes_something(tmp_path: Path) -> None:
    run, _ = text_run(tmp_path, **{"training.learning_rate": 1e-3})
    # The gates begin open already.
    (smaller,) = prescriptions(run, [Finding("saturated gates", "because", 0.95)])
    assert smaller.changes == {"training.learning_rate": 3e-4}
    # The learning rate is low already.
    assert prescriptions(run, [Finding("learning rate too high", "because", 0.97)]) == []
    assert prescribe(run, "", "", "lstm", {"training.learning_rate": 1e-3}) is None
    assert prescribe(run, "", "", "lstm", {}, longer=3.0) is not None


def test_context_is_prescribed_where_a_model_uses_all_or_little_of_it(tmp_path: Path) -> None:
    run, data = text_run(tmp_path, "ngram", **{"model.order": 7})
    probe = make_probe(run, run.read(data))
    assert probe is not None
    limit = probe.limit
    assert limit == ("model.order", 6, 1)

    def orders(memory: int) -> list[Any]:
        """That are prescribed where the model uses `memory` of its 6 tokens."""
        losses = np.stack([max(memory - k, 0) + np.linspace(0, 1e-3, 50) for k in range(7)])
        curve = curve_of(list(range(7)), losses, "tokens", "nats")
        measured = Measured("ngram", "language-model", "ngram", {}, {}, curve=curve, limit=limit)
        return [p.changes["model.order"] for p in context_prescriptions(run, measured)]

    assert (orders(6), orders(3), orders(1)) == ([13], [], [3])


def test_what_takes_long_is_tried_with_a_share_of_the_budget() -> None:
    assert scaled({"minutes": 10.0}, 0.2) == {"minutes": 2.0}
    assert scaled({"updates": 3}, 0.2) == {"updates": 1}
    trial = Trial("more time", "", "perplexity", [1.0, 1.0], [2.0, 2.0, 2.0], True, share=0.2)
    assert trial.text.endswith("Each training had 20% of its budget.")


def test_without_a_prescription_nothing_is_trained(tmp_path: Path) -> None:
    run, _ = text_run(tmp_path, "ngram")
    assert try_prescriptions(run, [], tmp_path / "trials") == []
    assert not (tmp_path / "trials").exists()


def test_every_prescription_has_settings_that_exist(tmp_path: Path) -> None:
    run, _ = text_run(tmp_path, "rnn", **{"data.noise": 0.0})
    prescribed = prescriptions(run, [Finding(kind, "because", 0.5) for kind in _CURES])
    assert {"data.noise": 0.2} in [prescription.changes for prescription in prescribed]
    for prescription in prescribed:
        words = shlex.split(prescription.command)
        assert words[:3] == ["seqloom", "train", "language-model"]
        changes = parse_assignments(words[i + 1] for i, word in enumerate(words) if word == "--set")
        make_settings("language-model", words[words.index("--model") + 1], changes)


def test_a_repeat_is_no_cure() -> None:
    assert works([0.9, 0.92], [0.5, 0.52, 0.51], lower_is_better=False)
    assert works([1.0, 1.1], [2.0, 2.2, float("nan")], lower_is_better=True)
    assert works([0.55, 1.0], [0.28, 0.28, 0.28], lower_is_better=False)  # a cure that depends on the seed
    assert not works([0.284, 0.285], [0.28, 0.28, 0.28], lower_is_better=False)
    assert not works([0.51, 0.53], [0.5, 0.52, 0.51], lower_is_better=False)
    assert not works([0.53, 0.54], [0.5, 0.52, 0.48], lower_is_better=False)  # better than all, by chance
    assert not works([float("nan"), 0.9], [0.5, 0.52, 0.51], lower_is_better=False)


def test_numbers_of_numpy_are_written() -> None:
    """As the runs of `tag` have them."""
    values = {"count": np.int64(3), "share": np.float32(0.5), "none": np.float64("nan"), "all": [np.arange(2)]}
    assert json.dumps(_plain(values)) == '{"count": 3, "share": 0.5, "none": null, "all": [[0, 1]]}'
