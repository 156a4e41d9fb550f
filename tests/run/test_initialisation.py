"""Runs initialised from another run: the same weights before the first update, grown tables, frozen parts, replayed
data, exact resumption, and errors for what does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
from seqloom.data.replay import ReplayLoader
from seqloom.models.parts import parts_of
from seqloom.storage.arrays import map_arrays
from seqloom.storage.tensors import model_tensors, read_tensors
from seqloom.training.checkpoint import load_checkpoint
from tests.run.make_old_runs import RUNS as OLD_RUNS
from tests.support.labelled import train_labelled, write_labelled
from tests.support.small_runs import RATES, assert_same_run, signal_after
from tests.support.small_tasks import SMALL_TASKS, task_of

WITHOUT_WEIGHTS = ("forecast", "forecast ridge", "language-model ngram", "language-model mix")
VECTORS = ("vectors", "vectors skipgram", "vectors softmax")
NETWORKS = [name for name in SMALL_TASKS if name not in (*WITHOUT_WEIGHTS, *VECTORS)]
FAST = ("language-model", "translate", "classify", "classify bow", "tag", "algorithm ntm")
CONTRACT = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
STANDING_STILL = {"training.learning_rate": 1e-30}
"""A rate that changes no number of a network."""


@dataclass
class Runs:
    """A run of each small task, trained when it is first needed."""

    folder: Path

    def __call__(self, name: str) -> seqloom.Run:
        out = self.folder / name.replace(" ", "-") / "run"
        if (out / "summary.json").exists():
            return seqloom.load(out, threads=1)
        out.parent.mkdir(parents=True)
        small = SMALL_TASKS[name]._replace(updates=min(SMALL_TASKS[name].updates, 4))
        return small.train(name, small.data(out.parent), out)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("earlier"))


def begin(name: str, run: seqloom.Run, out: Path, data: str = "", **options: Any) -> seqloom.Run:
    """A training of one update, or one epoch of word vectors, initialised from the run."""
    if not {"updates", "epochs"} & options.keys():
        options |= {"epochs": 1} if task_of(name) == "vectors" else {"updates": 1}
    data = data or run.plan.sources.data
    options = {"threads": 1, "quiet": True, "out": out, **options}
    return seqloom.train(task_of(name), data, initialise_from=run, **options)


def first_row(run: seqloom.Run) -> dict[str, Any]:
    row: dict[str, Any] = json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[0])
    return row


@pytest.mark.parametrize("name", CONTRACT)
def test_without_updates_nothing_changes(name: str, runs: Runs, tmp_path: Path) -> None:
    earlier = runs(name)
    run = begin(name, earlier, tmp_path / "run", settings=STANDING_STILL)
    before, after = (read_tensors(r.folder / "model.safetensors") for r in (earlier, run))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[n], after[n]) for n in before if not n.startswith("ngram"))
    assert run.summary["valid"] == earlier.summary["valid"]
    assert run.summary["test"] == earlier.summary["test"]
    assert first_row(run)["updates"] == 0
    (ancestor,) = run.plan.ancestry
    assert (ancestor.run, ancestor.taken) == (str(earlier.folder), "all weights")


@pytest.mark.parametrize("name", VECTORS)
def test_word_vectors_go_on(name: str, runs: Runs, tmp_path: Path) -> None:
    """As gensim's `build_vocab(update=True)`: old words keep their vectors, counts are added up."""
    earlier = runs(name)
    text = tmp_path / "more.txt"
    text.write_text(Path(earlier.plan.sources.data).read_text() + "zebra yak zebra yak lynx\n" * 40)
    settings = {"learning_rate": 1e-30, "last_learning_rate": 1e-30}
    run = begin(name, earlier, tmp_path / "run", str(text), settings=settings)
    before, after = (map_arrays(r.folder / "model.safetensors") for r in (earlier, run))
    old = len(before["counts"])
    assert run.codec.tokenizer.tokens()[:old] == earlier.codec.tokenizer.tokens()
    assert {"zebra", "yak", "lynx"} <= {*run.codec.tokenizer.tokens()[old:]}
    np.testing.assert_allclose(after["vectors"][:old], before["vectors"], atol=1e-6)
    assert (after["counts"][4:old] >= before["counts"][4:]).all()
    assert after["counts"][old:].min() > 0
    if name != "vectors softmax":
        np.testing.assert_array_equal(after["outputs"][:old], before["outputs"])
    if "ngrams" in before:
        np.testing.assert_array_equal(after["ngrams"], before["ngrams"])
    else:
        np.testing.assert_array_equal(after["vectors"][:old], before["vectors"])


def add_words(data: Path) -> str:
    return data.read_text() + "zebra yak zebra yak\n" * 40


def add_label(data: Path) -> str:
    return data.read_text() + "".join(f"plant\toak tree oak {i}\n" for i in range(40))


def add_letters(data: Path) -> str:
    return data.read_text() + "".join(f"x {'y ' * (i % 5)}a\ta {'y ' * (i % 5)}x\n" for i in range(40))


def add_tag(data: Path) -> str:
    return data.read_text() + "\n" + "".join(f"Quito B-ORG\nQuito I-ORG\n{i} O\n\n" for i in range(40))


GROWING: dict[str, Callable[[Path], str]] = {
    "language-model": add_words,
    "language-model transformer": add_words,
    "classify": add_label,
    "classify bow": add_label,
    "translate": add_letters,
    "tag": add_tag,
}


@pytest.mark.parametrize("name", GROWING)
def test_grown_tables_keep_their_rows(name: str, runs: Runs, tmp_path: Path) -> None:
    earlier = runs(name)
    data = tmp_path / "data.tsv"
    data.write_text(GROWING[name](Path(earlier.plan.sources.data)))
    run = begin(name, earlier, tmp_path / "run", str(data), settings=STANDING_STILL)
    before, after = (read_tensors(r.folder / "model.safetensors") for r in (earlier, run))
    assert before.keys() == after.keys()
    assert any(after[n].shape != before[n].shape for n in before)
    for n in before.keys() - {"class_weights", "output.legal", "temperature"}:
        if n.startswith("ngrams") or (name == "classify bow" and n in ("feature_weights", "output.weight")):
            continue
        old_part = after[n][tuple(slice(size) for size in before[n].shape)]
        assert torch.equal(old_part, before[n]), n
    assert "new: " in run.plan.ancestry[0].taken


def test_a_grown_bag_of_words_answers_as_before(runs: Runs, tmp_path: Path) -> None:
    earlier = runs("classify bow")
    data = tmp_path / "data.tsv"
    data.write_text(add_label(Path(earlier.plan.sources.data)))
    run = begin("classify bow", earlier, tmp_path / "run", str(data), settings=STANDING_STILL)
    assert run.codec.labels.names == (*earlier.codec.labels.names, "plant")
    texts = ["the cat is", "so red it", "one a the"]
    for new, old in zip(run.answers(texts), earlier.answers(texts), strict=True):
        assert [answer.text for answer in new if answer.text != "plant"] == [answer.text for answer in old]
    begun = begin("classify bow", earlier, tmp_path / "learning", str(data), updates=40)
    assert begun.predict(["oak tree oak"]) == ["plant"]


def test_a_class_can_be_added_by_its_examples_alone(runs: Runs, tmp_path: Path) -> None:
    """New data of one label, with old data replayed."""
    earlier = runs("classify")
    data = tmp_path / "plants.tsv"
    data.write_text("".join(f"plant\toak tree {i} oak\n" for i in range(60)))
    old = earlier.plan.sources.data
    settings = {"training.learning_rate": 0.03}
    options = {"updates": 240, "replay": (old, 0.5), "settings": settings}
    run = begin("classify", earlier, tmp_path / "run", str(data), **options)
    assert run.codec.labels.names == (*earlier.codec.labels.names, "plant")
    assert run.summary["valid"]["accuracy"] == 1
    assert run.summary["replay"]["accuracy"] >= earlier.summary["valid"]["accuracy"]
    with pytest.raises(seqloom.SeqloomError, match="no classes to distinguish"):
        seqloom.train("classify", str(data), out=tmp_path / "alone", updates=1, quiet=True)


def test_a_grown_tagger_keeps_what_may_follow(runs: Runs, tmp_path: Path) -> None:
    earlier = runs("tag")
    data = tmp_path / "data.tsv"
    data.write_text(add_tag(Path(earlier.plan.sources.data)))
    run = begin("tag", earlier, tmp_path / "run", str(data), settings=STANDING_STILL)
    before, after = (r.model.output.legal for r in (earlier, run))
    places = torch.tensor([*range(len(before) - 1), len(after) - 1])
    assert torch.equal(after[places[:, None], places], before)
    names = run.codec.labels.names
    assert after[names.index("B-ORG"), names.index("I-ORG")]
    assert not after[names.index("B-PER"), names.index("I-ORG")]


def test_a_grown_adaptive_softmax_keeps_its_clusters(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"w{i * i % 97} w{i % 61} w{i % 7}\n" for i in range(600)))
    settings = {"embedding.dim": 8, "model.hidden_size": 8, "output.kind": "adaptive", "model.num_layers": 1}
    options = {"threads": 1, "quiet": True, "updates": 1, "settings": settings}
    earlier = seqloom.train("language-model", str(text), model="gru", out=tmp_path / "earlier", **options)
    more = tmp_path / "more.txt"
    more.write_text(add_words(text) + "".join(f"v{i % 50} w{i % 5}\n" for i in range(400)))
    run = begin("language-model", earlier, tmp_path / "run", str(more), settings=STANDING_STILL)
    assert run.model.output.softmax.cutoffs == earlier.model.output.softmax.cutoffs
    assert run.model.output.softmax.vocab_size > earlier.model.output.softmax.vocab_size
    again = begin("language-model", run, tmp_path / "again", str(more), settings=STANDING_STILL)
    assert again.summary["valid"] == run.summary["valid"]
    assert [ancestor.run for ancestor in again.plan.ancestry] == [str(run.folder), str(earlier.folder)]


@pytest.mark.parametrize("name", CONTRACT)
def test_frozen_parts_do_not_move(name: str, runs: Runs, tmp_path: Path) -> None:
    earlier = runs(name)
    parts = parts_of(earlier.model)
    assert sum(map(len, parts.values())) == len([*earlier.model.parameters()])
    if len(parts) == 1:
        with pytest.raises(seqloom.RequestError, match="nothing is left"):
            begin(name, earlier, tmp_path / "run", freeze=[*parts])
        return
    frozen = [*parts][:-1] if "output" in [*parts][-1:] else [part for part in parts if part != "output"]
    run = begin(name, earlier, tmp_path / "run", updates=2, freeze=frozen, settings={"training.average": 0.5})
    checkpoint = load_checkpoint(run.folder / "training")
    assert checkpoint is not None
    before = model_tensors(earlier.model)
    named = {id(p): n for n, p in earlier.model.named_parameters()}
    for part, parameters in parts.items():
        same = [torch.equal(checkpoint.model[named[id(p)]], before[named[id(p)]]) for p in parameters]
        assert all(same) if part in frozen else not all(same)


@pytest.mark.parametrize("name", ["language-model", "classify", "vectors"])
def test_a_resumed_training_needs_no_other_run(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, and resumed after the run that it was initialised from was deleted: the same weights bit for bit."""
    earlier = tmp_path / "earlier"
    runs(name).save(earlier)
    data = tmp_path / "data.tsv"
    old = Path(runs(name).plan.sources.data)
    data.write_text(GROWING.get(name, add_words)(old))
    options: dict[str, Any] = {"epochs": 2} if task_of(name) == "vectors" else {"updates": 8}
    if task_of(name) != "vectors":
        options["replay"] = (str(old), 0.4)

    def train(out: str, resume: bool = False) -> seqloom.Run:
        return begin(name, earlier, tmp_path / out, str(data), resume=resume, **options)  # type: ignore[arg-type]

    straight = train("straight")
    with monkeypatch.context() as patch:
        signal_after(patch, 3)
        assert not train("stopped").summary["finished"]
    shutil.rmtree(earlier)
    resumed = train("stopped", resume=True)
    if task_of(name) == "vectors":
        first, second = (map_arrays(run.folder / "model.safetensors") for run in (straight, resumed))
        assert all(np.array_equal(first[n], second[n]) for n in first)
    else:
        assert_same_run(straight.folder, resumed.folder)
    assert straight.plan.ancestry == resumed.plan.ancestry


def test_a_training_is_resumed_with_its_ancestor(runs: Runs, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    runs("classify").save(earlier)
    data = runs("classify").plan.sources.data
    begin("classify", earlier, tmp_path / "run", data)  # type: ignore[arg-type]
    options = {"out": tmp_path / "run", "updates": 1, "threads": 1, "quiet": True, "resume": True}
    with pytest.raises(seqloom.RequestError, match="was initialised from another run") as refused:
        seqloom.train("classify", data, **options)
    assert str(earlier) in str(refused.value)
    with pytest.raises(seqloom.RequestError, match="was not initialised from this run"):
        seqloom.train("classify", data, initialise_from=tmp_path / "other", **options)
    tensors = (earlier / "model.safetensors").read_bytes()
    (earlier / "model.safetensors").write_bytes(tensors[:-4] + b"\0\0\0\0")
    with pytest.warns(UserWarning, match="has changed"):
        seqloom.train("classify", data, initialise_from=earlier, **options)
    shutil.rmtree(tmp_path / "run" / "training")
    with (
        pytest.warns(UserWarning, match="has changed"),
        pytest.raises(seqloom.SeqloomError, match="no longer what it was"),
    ):
        seqloom.train("classify", data, initialise_from=earlier, **options)


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_nothing_is_initialised_from_a_model_without_weights(name: str, runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(seqloom.RequestError, match="in one pass"):
        begin(name, runs(name), tmp_path / "run")


PAIRS = {
    ("language-model", "classify"): ("lstm", "embedding, encoder; not output"),
    ("language-model", "tag"): ("bilstm", "words, encoder in part; not characters, output, language-model"),
    ("language-model", "translate"): ("lstm+attention", "embedding in part, encoder in part; not decoder, output"),
    ("language-model transformer", "classify"): ("transformer", "embedding, encoder; not output"),
    ("classify", "language-model"): ("gru", "embedding, layer; not output"),
    ("translate", "classify"): ("gru+attention", "embedding, encoder in part; not attention, output"),
}


@pytest.mark.parametrize("names", PAIRS)
def test_other_tasks_take_what_fits(names: tuple[str, str], runs: Runs, tmp_path: Path) -> None:
    earlier, other = (runs(name) for name in names)
    run = begin(names[1], earlier, tmp_path / "run", other.plan.sources.data, settings=STANDING_STILL)
    assert (run.plan.model, run.plan.ancestry[0].taken) == PAIRS[names]
    before, after = model_tensors(earlier.model), model_tensors(run.model)
    tables = ("encoder.read.table.weight", "forms.words.weight", "embedding.table.weight")
    old, new = (next(tensors[n] for n in tables if n in tensors) for tensors in (before, after))
    assert torch.equal(new[: len(old)], old)
    assert first_row(run)["updates"] == 1


def test_a_bidirectional_classifier_takes_all_layers_of_a_translator(runs: Runs, tmp_path: Path) -> None:
    """One that reads forward takes the forward half of the first layer only: the second one reads both directions."""
    earlier, data = runs("translate"), runs("classify").plan.sources.data
    run = begin("classify", earlier, tmp_path / "run", data, model="bigru+attention", settings=STANDING_STILL)
    assert run.plan.ancestry[0].taken == "embedding, encoder; not attention, output"
    before, after = model_tensors(earlier.model), model_tensors(run.model)
    layers = [name for name in after if name.startswith("encoder.layer.stack.")]
    assert any(name.startswith("encoder.layer.stack.1.") for name in layers)
    assert all(torch.equal(after[name], before[name]) for name in layers)


def test_a_tagger_reads_words_with_the_layer_of_a_language_model(runs: Runs, tmp_path: Path) -> None:
    """The columns for the embedding of words are those of the language model, in the forward half of the layer."""
    earlier = runs("language-model")
    data = runs("tag").plan.sources.data
    run = begin("tag", earlier, tmp_path / "run", data, settings=STANDING_STILL)
    old = earlier.model.layer.stack[0].cell
    new = run.model.encoder.layer.stack[0].forward_layer.cell
    assert torch.equal(new.input_weight[:, : old.input_weight.shape[1]], old.input_weight)
    assert torch.equal(new.recurrent_weight, old.recurrent_weight)


REFUSED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "other sizes": ("classify", "classify", {"settings": {"model.hidden_size": 9}}, "do not fit these settings"),
    "another cell": ("classify", "classify", {"model": "lstm", "settings": {"embedding.dim": 3}}, "nothing of the run"),
    "another tokenizer": ("classify", "classify", {"settings": {"tokenizer.kind": "bpe"}}, "reads its data as that"),
    "numbers": ("classify", "classify series", {}, "another kind of data"),
    "sound": ("transcribe", "classify", {}, "reads no sound"),
    "vectors": ("classify", "vectors", {}, "word vectors are initialised"),
    "other vectors": ("vectors skipgram", "vectors", {"model": "skipgram"}, "word vectors are initialised"),
    "vectors from a network": ("vectors", "language-model", {"model": "skipgram"}, "only a network is initialised"),
    "counts from a network": ("language-model", "language-model", {"model": "ngram"}, "only a network is initialised"),
    "other dimensions": ("vectors", "vectors", {"settings": {"dim": 9}}, "other sizes"),
    "a wrong part": ("classify", "classify", {"freeze": ["embeding"]}, "no part of this network"),
    "frozen vectors": ("vectors", "vectors", {"freeze": ["embedding"]}, "not a network"),
    "replayed vectors": ("vectors", "vectors", {"replay": ("old.txt", 0.1)}, "not a network"),
    "a share": ("classify", "classify", {"replay": ("old.txt", 1.5)}, "share of replayed data"),
    "other examples": ("algorithm", "algorithm", {"data": "copy:bits=3,length=3"}, "other sizes"),
    "text for examples": ("algorithm", "language-model", {}, "another kind of data"),
    "text for series": ("forecast", "language-model", {"model": "gru"}, "another kind of data"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str, runs: Runs, tmp_path: Path) -> None:
    name, earlier, options, message = REFUSED[case]
    with pytest.raises(seqloom.RequestError, match=message):
        begin(name, runs(earlier), tmp_path / "run", **{"data": runs(name).plan.sources.data, **options})


def test_the_near_part_is_suggested(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(seqloom.RequestError) as refused:
        begin("classify", runs("classify"), tmp_path / "run", freeze=["embeding"])
    assert "embedding, encoder, output" in str(refused.value)
    assert "did you mean 'embedding'" in str(refused.value)


def test_a_damaged_run_is_refused(runs: Runs, tmp_path: Path) -> None:
    runs("classify").save(tmp_path / "earlier")
    earlier, data = tmp_path / "earlier", runs("classify").plan.sources.data
    (earlier / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(seqloom.SeqloomError, match="could not be read"):
        seqloom.train("classify", data, initialise_from=earlier, out=tmp_path / "run", updates=1, quiet=True)
    (earlier / "model.safetensors").unlink()
    with pytest.raises(seqloom.RequestError, match="no model yet"):
        seqloom.train("classify", data, initialise_from=earlier, out=tmp_path / "run", updates=1, quiet=True)
    with pytest.raises(seqloom.RequestError, match="holds no run"):
        seqloom.train("classify", data, initialise_from=tmp_path / "no", out=tmp_path / "run", updates=1, quiet=True)


def test_a_run_is_exact_about_its_ancestry(runs: Runs, tmp_path: Path) -> None:
    earlier = runs("classify")
    run = begin("classify", earlier, tmp_path / "run", replay=(earlier.plan.sources.data, 0.5))
    reloaded = seqloom.load(run.folder)
    assert reloaded.plan == run.plan
    card = (run.folder / "README.md").read_text()
    (ancestor,) = reloaded.plan.ancestry
    for fact in (ancestor.run, ancestor.weights, ancestor.tokenizer, "all weights"):
        assert fact in card
    assert f"--from {earlier.folder}" in card
    assert f"--replay {earlier.plan.sources.data}:0.5" in card
    assert "replayed" in card


@pytest.mark.parametrize("name", ["classify-gru", "classify-bow", "language-model-transformer", "tag-bilstm"])
def test_old_runs_can_be_begun_from(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Path(__file__).parent / "old_runs", tmp_path / "old_runs")
    monkeypatch.chdir(tmp_path / "old_runs")
    task, data, _, _ = OLD_RUNS[name]
    earlier = seqloom.load(name)
    run = seqloom.train(
        task, data, initialise_from=name, out="new", updates=1, threads=1, quiet=True, settings=STANDING_STILL
    )
    score = run.summary["score"]
    assert run.evaluate(data)[score] == earlier.evaluate(data)[score]


def test_replayed_data_is_scored_and_keeps_its_share(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    earlier = train_labelled(tmp_path / "old" / "run", updates=2)
    new = write_labelled(tmp_path / "new.tsv", examples=60, seed=8)
    old = earlier.plan.sources.data
    run = begin("classify", earlier, tmp_path / "run", new, updates=8, replay=(old, 0.25))
    assert {"accuracy", "nats_per_example"} <= run.summary["replay"].keys()
    row = {name: value for name, value in first_row(run).items() if name not in RATES}
    assert row["valid_replay_accuracy"] == earlier.summary["valid"]["accuracy"]
    assert seqloom.load(run.folder).plan.sources.replay_share == 0.25


class Steps:
    """A loader whose batches are their numbers."""

    def __init__(self, name: str, sizes: list[int]) -> None:
        self.name, self.sizes = name, sizes

    def num_steps(self, epoch: int) -> int:
        return self.sizes[epoch % len(self.sizes)]

    def batch(self, epoch: int, step: int) -> Any:
        assert 0 <= step < self.num_steps(epoch)
        return Numbered(self.name, epoch, step)


@dataclass(frozen=True)
class Numbered:
    name: str
    epoch: int
    step: int

    def _replace(self, **changes: Any) -> Numbered:
        assert changes == {"continues": False, "apart": True}
        return self


@pytest.mark.parametrize(("new", "old", "share"), [([10], [3], 0.1), ([7, 9], [4, 5], 0.5), ([2], [40], 0.9)])
def test_replayed_batches_are_spread_evenly(new: list[int], old: list[int], share: float) -> None:
    loader = ReplayLoader(Steps("new", new), Steps("old", old), share)
    batches = [[loader.batch(e, s) for s in range(loader.num_steps(e))] for e in range(40)]
    flat = [batch for epoch in batches for batch in epoch]
    for name, sizes in (("new", new), ("old", old)):
        seen = [(batch.epoch, batch.step) for batch in flat if batch.name == name]
        assert seen == [(e, s) for e in range(400) for s in range(sizes[e % len(sizes)])][: len(seen)]
    assert sum(batch.name == "old" for batch in flat) == pytest.approx(share * len(flat), abs=1)
    later = ReplayLoader(Steps("new", new), Steps("old", old), share)
    assert later.batch(30, 1) == batches[30][1]


def test_ngram_models_are_merged_into_one(tmp_path: Path) -> None:
    """Every probability is the weighted mean of the two, and every distribution sums to one."""
    first_text, second_text = tmp_path / "first.txt", tmp_path / "second.txt"
    first_text.write_text("".join(f"the cat {'sat ' * (i % 3)}here {i % 7}\n" for i in range(120)))
    new = [f"the dog {'ran ' * (i % 4)}there {i % 5}\n" for i in range(120)]
    second_text.write_text("".join(new + [f"the cat {'sat ' * (i % 3)}here {i % 7} {i}\n" for i in range(60)]))
    options: dict[str, Any] = {"model": "ngram", "threads": 1, "quiet": True}
    settings = {"model.order": 3, "tokenizer.min_count": 1}
    first = seqloom.train("language-model", str(first_text), out=tmp_path / "first", settings=settings, **options)
    alone = seqloom.train("language-model", str(second_text), out=tmp_path / "alone", settings=settings, **options)
    merged = seqloom.train(
        "language-model", str(second_text), out=tmp_path / "merged",
        settings={"model.order": 3, "model.merge": str(tmp_path / "first")}, **options,
    )  # fmt: skip
    old = first.codec.tokenizer.vocab_size
    tokens = merged.codec.tokenizer.tokens()
    assert tokens[:old] == first.codec.tokenizer.tokens()
    assert {*alone.codec.tokenizer.tokens()} <= {*tokens}
    contexts = torch.tensor([[tokens.index(a), tokens.index(b)] for a, b in (("the", "cat"), ("the", "dog"))])
    log_probs, _ = merged.model.next_log_probs(contexts, merged.model.initial_state(2))
    torch.testing.assert_close(log_probs.double().exp().sum(1), torch.ones(2, dtype=torch.float64), atol=1e-3, rtol=0)
    scores = merged.score(["the cat sat here 3", "the dog ran there 3"]).log_probs
    assert scores[0] > alone.score(["the cat sat here 3"]).log_probs[0]
    assert scores[1] > first.score(["the dog ran there 3"]).log_probs[0]
    shutil.rmtree(tmp_path / "first")
    again = seqloom.load(tmp_path / "merged", threads=1)
    assert again.score(["the cat sat here 3"]).log_probs[0] == scores[0]
    assert again.evaluate(str(second_text))["perplexity"] > 1
    with pytest.raises(seqloom.RequestError, match="holds no run"):
        seqloom.train(
            "language-model", str(second_text), out=tmp_path / "no", settings={"model.merge": "gone"}, **options
        )


def test_interpolation_is_the_weighted_mean(tmp_path: Path) -> None:
    from seqloom.models.ngram.interpolation import interpolated

    texts = (["a b c", "a b d", "c a b"] * 9, ["b c d", "d a c", "a b b"] * 7)
    stores = []
    for number, lines in enumerate(texts):
        path = tmp_path / f"{number}.txt"
        path.write_text("\n".join(lines) + "\n" + "".join(f"{x} {y}\n" for x in "abcd" for y in "abcd"))
        run = seqloom.train(
            "language-model", str(path), model="ngram", out=tmp_path / str(number), threads=1, quiet=True,
            settings={"model.order": 3 - number, "tokenizer.min_count": 1},
        )  # fmt: skip
        stores.append(run.model)
    first, second = stores
    assert first.vocab_size == second.vocab_size
    mixed = type(first).of(interpolated(first.store, second.store, 0.3))
    mean = 0.3 * log_probs(first).exp() + 0.7 * log_probs(second).exp()
    seen = log_probs(mixed).exp()
    torch.testing.assert_close(seen.sum(1), torch.ones(len(seen)), atol=1e-3, rtol=0)
    # Exact for n-grams of either model; the others are what backing off gives.
    torch.testing.assert_close(seen, mean, atol=5e-3, rtol=0)
    assert float((seen - mean).abs().median()) < 1e-6


def log_probs(model: Any) -> torch.Tensor:
    """The distributions after each word of the vocabulary, all of which occur in both texts."""
    ids = torch.arange(4, model.vocab_size)[:, None]
    distributions: torch.Tensor = model.next_log_probs(ids, model.initial_state(len(ids)))[0]
    return distributions
