"""Every setting changes something, or is refused: each is read by a training or a prediction, and one that only counts
beside another says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo

import seqloom
from seqloom import config
from seqloom.comparison.spec import make_spec
from seqloom.config import Settings, field_of, is_unused, leaves, needs_of, replacements_of
from seqloom.errors import RequestError
from seqloom.run.plan import make_settings, settings_type
from seqloom.tasks import tasks
from tests.support.labelled import write_labelled, write_series
from tests.support.pairs import write_pairs
from tests.support.small_tasks import NGRAM, SMALL_TASKS, task_of
from tests.support.tagged_numbers import write_levels
from tests.support.texts import write_text

BY_DATA = {
    "language-model": {"data.bpe_dropout", "data.unigram_sampling"},
    "classify": {"data.max_steps"},
    "classify series": {"tokenizer", "data.max_length", "embedding.word_dropout"},
    "vectors": set[str](),
    "vectors documents": set[str](),
    NGRAM: set[str](),
    "describe": set[str](),
    "transcribe": set[str](),
    "classify bow": {"data.max_steps"},
    "tag bilstm": {"frames", "data.longest_piece"},
    "tag steps": {"words", "characters", "vocabulary", "data.target", "language_model_weight"},
    "translate transformer": set[str](),
    "translate joint-ngram": set[str](),
    "language-model mix": {"data.batch_size", "data.horizon", "data.tokens_per_batch"},
    "language-model transformer": {"data.tokens_per_batch", "data.bpe_dropout", "data.unigram_sampling"},
    "tag": {"frames", "data.longest_piece"},
    "translate": set[str](),
}
"""The settings, or groups, that count for another kind of data: lines of text, numbers."""


class Reads:
    """Which settings are read while something else than the settings themselves is made."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.names: set[tuple[type, str]] = set()
        self._making = 0
        original = Settings.__getattribute__

        def read(settings: Settings, name: str) -> Any:
            value = original(settings, name)
            if not self._making and name in type(settings).model_fields and not isinstance(value, Settings):
                self.names |= {(kind, name) for kind in type(settings).__mro__}
            return value

        patch.setattr(Settings, "__getattribute__", read)
        for module in ("seqloom.run.plan", "seqloom.run.start", "seqloom.run.run", "seqloom.run.card"):
            for name in ("build", "flatten", "check_effects"):
                patch.setattr(f"{module}.{name}", self._unseen(getattr(config, name)), raising=False)

    def _unseen(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            self._making += 1
            try:
                return function(*arguments)
            finally:
                self._making -= 1

        return called

    def unread(self, kind: type[Settings]) -> Iterator[str]:
        for leaf, group in leaves(kind).items():
            last = leaf.rpartition(".")[2]
            attribute = next(name for name, field in group.model_fields.items() if (field.alias or name) == last)
            field = field_of(group, last)
            if (group, attribute) not in self.names and not needs_of(field) and not is_unused(field):
                yield leaf


@pytest.mark.parametrize("task", list(tasks))
def test_the_width_of_every_layer_is_a_size(task: str) -> None:
    """Otherwise `compare --equal parameters` leaves the model as it is, without a word."""
    widths, parts = {"hidden_size", "model_dim", "feed_forward_size"}, {"model", "encoder", "decoder"}
    for model in tasks[task].models():
        for leaf, group in leaves(settings_type(task, model)).items():
            part, _, name = leaf.rpartition(".")
            assert part not in parts or name not in widths or name in group.size_settings, f"{model}: {leaf}"


@pytest.mark.parametrize("name", BY_DATA)
def test_every_setting_is_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = SMALL_TASKS[name]
    data = small.data(tmp_path)
    reads = Reads(monkeypatch)
    few = small._replace(updates=min(small.updates, 3), epochs=min(small.epochs, 1))
    run = few.train(name, data, tmp_path / "run")
    if task_of(name) not in ("language-model", "vectors"):
        list(run.answers(list(run.inputs(data))[:2]))
    kind = settings_type(task_of(name), small.model)
    unread = [leaf for leaf in reads.unread(kind) if not {leaf, leaf.partition(".")[0]} & BY_DATA[name]]
    assert unread == []


def conditional() -> Iterator[tuple[str, str, str]]:
    """The settings that only count beside another one, once for each class that has them."""
    seen: set[tuple[type[Settings], str]] = set()
    for task, model in ((name, model) for name in tasks for model in tasks[name].models()):
        for leaf, group in leaves(settings_type(task, model)).items():
            last = leaf.rpartition(".")[2]
            if needs_of(field_of(group, last)) and (group, last) not in seen:
                seen.add((group, last))
                yield task, model, leaf


def another_value(field: FieldInfo) -> Any:
    """A valid value that is not the default."""
    default = field.default
    if isinstance(default, bool):
        return not default
    if isinstance(default, str):
        if field.annotation is str:
            return "module:name"
        return next(choice for choice in field.annotation.__args__ if choice != default)  # type: ignore[union-attr]
    return (5, 9) if isinstance(default, tuple) else default + 1 if isinstance(default, int) else default / 2 or 0.5


def needed_field(kind: type[Settings], name: str) -> FieldInfo:
    return field_of(leaves(kind)[name], name.rpartition(".")[2])


@pytest.mark.parametrize(("task", "model", "leaf"), list(conditional()))
def test_a_setting_that_changes_nothing_is_refused(task: str, model: str, leaf: str) -> None:
    kind = settings_type(task, model)
    group, (prefix, _, last) = leaves(kind)[leaf], leaf.rpartition(".")
    field, before = field_of(group, last), f"{prefix}." if prefix else ""
    value, beside = another_value(field), {}
    for other, allowed in needs_of(field).items():
        is_switch = isinstance(needed_field(kind, before + other).default, bool)
        beside[before + other] = (
            allowed[0] if isinstance(allowed, list) else 4 if allowed is True and not is_switch else allowed
        )
    for other, allowed in needs_of(field).items():
        if isinstance(allowed, list):
            choices = needed_field(kind, before + other).annotation.__args__  # type: ignore[union-attr]
            without = next((choice for choice in choices if choice not in allowed), None)
        else:
            lists = isinstance(needed_field(kind, before + other).default, tuple)
            without = allowed - 1 if allowed is not True else () if lists else 0
        with pytest.raises(RequestError, match="changes nothing") as error:
            make_settings(task, model, {leaf: value, **beside, before + other: without})
        assert leaf in str(error.value)
        make_settings(task, model, {leaf: field.default, **beside, before + other: without})
    make_settings(task, model, {leaf: value, **beside})


@pytest.mark.parametrize("task", list(tasks))
def test_a_setting_that_another_replaces_is_refused(task: str) -> None:
    """Its default too, which is not in force."""
    for model in tasks[task].models():
        for leaf, group in leaves(settings_type(task, model)).items():
            prefix, _, last = leaf.rpartition(".")
            field = field_of(group, last)
            for other in replacements_of(field):
                for value in (field.default, another_value(field)):
                    with pytest.raises(RequestError, match="changes nothing") as error:
                        make_settings(task, model, {leaf: value, f"{prefix}.{other}": "other.json"})
                    assert leaf in str(error.value)


def test_a_command_refuses_it(tmp_path: Path) -> None:
    settings = {"training.schedule": "cosine", "training.decay": 0.5}
    with pytest.raises(RequestError, match=r"training\.decay"):
        seqloom.train("classify", "nothing.tsv", out=tmp_path / "run", settings=settings)


def test_settings_of_another_kind_of_data_are_refused(tmp_path: Path) -> None:
    texts, series = write_labelled(tmp_path / "texts.tsv"), write_series(tmp_path / "series.ts")
    words, steps = write_text(tmp_path / "words.txt"), write_levels(tmp_path / "steps.csv")
    for task, data, name, value in (
        ("classify", series, "tokenizer.lowercase", False), ("classify", series, "data.max_length", 9),
        ("classify", series, "embedding.word_dropout", 0.1), ("classify", texts, "data.max_steps", 9),
        ("classify", texts, "data.vector", "steps"), ("tag", steps, "words.dim", 9), ("tag", steps, "data.target", "2"),
        ("tag", steps, "vocabulary.lowercase", True), ("tag", words, "frames.dim", 9),
        ("tag", words, "data.longest_piece", 9),
    ):  # fmt: skip
        with pytest.raises(RequestError, match="changes nothing with this data") as error:
            make_settings(task, "gru", {name: value}, data)
        assert name in str(error.value)
    with pytest.raises(RequestError, match=r"data\.max_length=0"):
        seqloom.train("classify", texts, model="bow", out=tmp_path / "run", settings={"data.long": "end"}, quiet=True)


def test_a_count_of_subwords_is_refused(tmp_path: Path) -> None:
    """None of them is rare. A target of words has rare ones."""
    kinds = {"tokenizer.kind": "bpe", "tokenizer.min_count": 3}
    for task in ("language-model", "classify", "describe", "transcribe"):
        with pytest.raises(RequestError, match=r"tokenizer\.min_count"):
            make_settings(task, tasks[task].default_model, kinds)
    pairs = write_pairs(tmp_path / "pairs.tsv")
    with pytest.raises(RequestError, match=r"tokenizer\.min_count"):
        seqloom.train("translate", pairs, out=tmp_path / "run", settings=kinds, quiet=True)
    seqloom.train(
        "translate", pairs, model="gru", updates=1, out=tmp_path / "words", quiet=True,
        settings={**kinds, "tokenizer.target_kind": "word", "tokenizer.vocab_size": 300, "encoder.hidden_size": 8},
    )  # fmt: skip


def test_a_mixture_has_the_tokenizer_of_its_parts() -> None:
    with pytest.raises(RequestError, match="changes nothing with this model"):
        make_settings("language-model", "mix", {"tokenizer.kind": "character"})


def test_an_ngram_model_refuses_settings_of_networks(tmp_path: Path) -> None:
    for name, value in (("data.horizon", 64), ("data.bpe_dropout", 0.1), ("unigram_sampling", 0.2), ("batch_size", 8)):
        with pytest.raises(RequestError, match="changes nothing with this model"):
            make_settings("language-model", "ngram", {name: value})
    with pytest.raises(RequestError, match="changes nothing with this model"):
        make_settings("language-model", "mix", {"data.bpe_dropout": 0.1})
    assert make_settings("language-model", "ngram", {"data.horizon": 35}), "the default"
    spec = make_spec(
        "language-model", write_text(tmp_path / "text.txt"), None, None, ["lstm"], 1, {"updates": 1}, 1,
        {"data.horizon": 64, "learning_rate": 0.1},
    )  # fmt: skip
    assert spec.settings_of("lstm") == {"data.horizon": 64, "learning_rate": 0.1}
    assert all(spec.settings_of(name) == {} for name in spec.baselines), "a baseline ignores it"
    assert spec.baselines
