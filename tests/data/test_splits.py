"""What is held out: by content, in proportion, enough of it, and the same for texts that are nearly the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqloom
from seqloom.config import read_toml, write_toml
from seqloom.data.corpus import Sources
from seqloom.data.splits import FIRST_RULE, SplitRule, Splits, cut_line, draw_splits, same_text
from seqloom.errors import RequestError, SeqloomError
from tests.support.labelled import write_labelled
from tests.support.small_runs import train_small

SHARES = Sources("any").shares()
RULE = SplitRule(SHARES)
Examples = list[tuple[str, str]]


def drawn(examples: Examples, rule: SplitRule = RULE) -> list[str]:
    splits = draw_splits(examples, rule, "file")
    return [splits.split_of(identity) for identity, _ in examples]


def texts(count: int, prefix: str = "line") -> Examples:
    return [(f"{prefix} {number}", "") for number in range(count)]


@pytest.mark.parametrize(("count", "part"), [(10, 2), (30, 6), (100, 20), (400, 20), (3_000, 150)])
def test_a_part_has_enough_examples(count: int, part: int) -> None:
    for seed in range(20):
        parts = Counter(drawn(texts(count), SplitRule(SHARES, seed)))
        assert parts == {"train": count - 2 * part, "valid": part, "test": part}


@pytest.mark.parametrize("examples", [texts(9), [("a", "")] * 100, [("a", ""), ("b", "")] * 50])
def test_too_few_are_refused(examples: Examples) -> None:
    with pytest.raises(SeqloomError, match="too few examples") as caught:
        drawn(examples)
    assert caught.value.where == "file"


def test_labels_are_held_out_in_proportion() -> None:
    sizes = {"often": 700, "seldom": 250, "rare": 50}
    examples = [(f"{label} {number}", label) for label, size in sizes.items() for number in range(size)]
    held_out = Counter((split, label) for split, (_, label) in zip(drawn(examples), examples, strict=True))
    for split in ("valid", "test"):
        counts = [held_out[split, label] for label in sizes]
        assert sum(counts) == 50
        assert all(abs(count - size / 20) <= 1 for count, size in zip(counts, sizes.values(), strict=True))


@given(st.lists(st.sampled_from(["The cat.", "the  cat", "THE CAT !", "a dog", "A dog?"]), min_size=1, max_size=9))
def test_what_is_nearly_the_same_stays_together(variants: list[str]) -> None:
    splits = draw_splits([(text, "") for text in variants] + texts(60), RULE, "file")
    sides = {(same_text(text), splits.split_of(text)) for text in variants}
    assert len(sides) == len({same_text(text) for text in variants})


def test_one_text_of_several_labels_stays_together() -> None:
    examples = [(f"line {number % 50}", str(number % 3)) for number in range(300)]
    assert len({(text, split) for (text, _), split in zip(examples, drawn(examples), strict=True)}) == 50


def test_other_seeds_draw_others_and_the_order_does_not_matter(tmp_path: Path) -> None:
    examples = texts(200)
    first, second = drawn(examples), drawn(examples, SplitRule(SHARES, 1))
    assert first != second
    assert drawn(examples[::-1]) == first[::-1]
    splits = draw_splits(examples, RULE, "file")
    splits.save(tmp_path)
    assert Splits.load(tmp_path, RULE) == splits


def test_the_rule_of_runs_that_name_none() -> None:
    """By a hash of the text as it is written: these never change."""
    splits = draw_splits([], SplitRule(SHARES, version=FIRST_RULE), "file")
    assert [number for number in range(60) if splits.split_of(f"line {number}") == "valid"] == [8, 46]
    assert [number for number in range(60) if splits.split_of(f"line {number}") == "test"] == [4, 31, 52]


def test_a_large_text_is_split_by_keys_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqloom.data.splits._MOST_GROUPS", 1_000)
    splits = draw_splits(texts(5_000), RULE, "file")
    assert splits.held_out is None
    parts = Counter(splits.split_of(text) for text, _ in texts(5_000))
    assert parts["valid"] == pytest.approx(250, abs=60)


def fold_tests(examples: Examples, folds: int) -> list[list[str]]:
    rules = [SplitRule({"valid": 0.05, "test": 1 / folds}, fold=fold, folds=folds) for fold in range(1, folds + 1)]
    return [drawn(examples, rule) for rule in rules]


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_test_each_example_once_and_have_all_labels(folds: int) -> None:
    sizes = {"often": 120, "seldom": 60, "rare": 20}
    examples = [(f"{label} {number}", label) for label, size in sizes.items() for number in range(size)]
    draws = fold_tests(examples, folds)
    assert all(parts.count("test") == 1 for parts in zip(*draws, strict=True))
    for parts in draws:
        tested = Counter(label for (_, label), part in zip(examples, parts, strict=True) if part == "test")
        assert all(abs(tested[label] - size / folds) <= 1 for label, size in sizes.items())
        assert parts.count("valid") == 20


def test_folds_keep_near_equal_texts_together() -> None:
    examples = [(f"{'A' if number % 2 else 'a'} {number // 2}.", str(number % 3)) for number in range(100)]
    for parts in fold_tests(examples, 5):
        assert all(parts[number] == parts[number + 1] for number in range(0, 100, 2))


def test_folds_of_a_large_text_go_by_keys_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqloom.data.splits._MOST_GROUPS", 1_000)
    draws = fold_tests(texts(3_000), 3)
    assert all(parts.count("test") == 1 for parts in zip(*draws, strict=True))
    assert all(parts.count("valid") == pytest.approx(100, abs=50) for parts in draws)


def test_too_many_folds_are_refused() -> None:
    with pytest.raises(SeqloomError, match="too few examples") as caught:
        fold_tests(texts(19), 10)
    assert "fewer folds" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"folds": 1, "fold": 1}, "folds"),
        ({"folds": 5}, "fold"),
        ({"fold": 1}, "folds"),
        ({"folds": 5, "fold": 6}, "fold"),
        ({"folds": 5, "fold": 1, "test": "test"}, "folds"),
    ],
)
def test_impossible_folds_are_refused(options: dict[str, Any], where: str) -> None:
    with pytest.raises(RequestError) as caught:
        Sources("data", **options)
    assert caught.value.where == where


def test_what_is_not_drawn_has_no_folds(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="are generated, not drawn") as caught:
        seqloom.train("algorithm", "copy", updates=1, out=tmp_path / "run", quiet=True, fold=1, folds=5)
    assert caught.value.where == "folds"


LONG_LINE = " ".join(f"word{number}" for number in range(3_000))


def positions(text: list[str], rule: SplitRule = RULE) -> dict[str, str]:
    """The text of each part, its lines joined by a space."""
    splits = draw_splits(((line, "") for line in text), rule, "file", by_position=True)
    parts: dict[str, list[str]] = {}
    for split, line in splits.divide(text, str, cut_line):
        parts.setdefault(split, []).append(line)
    return {split: " ".join(lines) for split, lines in parts.items()}


@pytest.mark.parametrize("text", [[LONG_LINE], [*LONG_LINE[:9_000].split(" word1"), LONG_LINE], [LONG_LINE] * 3])
def test_a_text_of_one_long_line_is_split_by_position(text: list[str]) -> None:
    parts = positions(text)
    assert " ".join(parts[split] for split in ("train", "valid", "test")) == " ".join(text)
    characters = sum(map(len, text))
    assert all(len(parts[split]) == pytest.approx(max(0.05 * characters, 1_000), abs=20) for split in ("valid", "test"))


def test_a_text_without_whitespace_is_cut_between_characters() -> None:
    parts = positions(["ACGT" * 5_000])
    assert [len(parts[split]) for split in ("train", "valid", "test")] == [18_000, 1_000, 1_000]


def test_folds_by_position() -> None:
    tested = []
    for fold in range(1, 5):
        splits = draw_splits(
            [(LONG_LINE, "")], SplitRule({"valid": 0.05, "test": 0.25}, fold=fold, folds=4), "file", by_position=True
        )
        divided = list(splits.divide([LONG_LINE], str, cut_line))
        assert " ".join(line for _, line in divided) == LONG_LINE
        tested += [line for split, line in divided if split == "test"]
        assert sum(split == "valid" for split, _ in divided) == 1
    assert " ".join(tested) == LONG_LINE


def test_a_short_text_of_one_line_is_refused() -> None:
    with pytest.raises(SeqloomError, match="too few examples"):
        positions([LONG_LINE[:1_500]])


@given(st.text(alphabet="ab \u3000", max_size=30), st.integers(0, 30))
def test_a_cut_loses_only_whitespace(line: str, position: int) -> None:
    before, after = cut_line(line, position)
    assert "".join((before + after).split()) == "".join(line.split())


def test_a_run_on_a_text_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(LONG_LINE)
    run = seqloom.train(
        "language-model",
        tmp_path / "text.txt",
        model="ngram",
        out=tmp_path / "run",
        quiet=True,
        settings={"tokenizer.min_count": 1},
    )
    assert run.summary["test"]["tokens"] == pytest.approx(150, abs=10)


@pytest.mark.parametrize("seed", [-1, 2**70, 1.5, True])
def test_impossible_seeds_are_refused(seed: object) -> None:
    with pytest.raises(RequestError, match="split_seed is out of range"):
        Sources("data", split_seed=seed)  # type: ignore[arg-type]


def test_the_rule_is_part_of_a_run(tmp_path: Path) -> None:
    """A run that was made before there was another rule is resumed with its own."""
    run = train_small(tmp_path / "run")
    config = read_toml(run.folder / "config.toml")
    assert config["sources"].pop("split_rule") == 2
    assert config["sources"].pop("split_seed") == 0
    write_toml(run.folder / "config.toml", config)
    assert seqloom.load(run.folder).plan.sources.split_rule == FIRST_RULE
    with pytest.raises(
        RequestError, match="no longer what the run was trained on"
    ):  # its vocabulary is that of the other rule's split
        train_small(tmp_path / "run", resume=True)


def test_a_seed_for_a_run(tmp_path: Path) -> None:
    data = write_labelled(tmp_path / "data.tsv")
    runs = [
        seqloom.train("classify", data, model="bow", epochs=1, out=tmp_path / str(seed), quiet=True, split_seed=seed,
                      settings={"model.min_count": 1})
        for seed in (0, 1)
    ]  # fmt: skip
    assert [run.summary["test"]["examples"] for run in runs] == [20, 20]
    assert [run.plan.sources.split_seed for run in runs] == [0, 1]
