"""Near-duplicates across a split are found and shown with their lines; ordinary data has few."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from seqloom.comparison.near_duplicates import SIMILARITY, near_duplicates, near_duplicates_warning
from seqloom.data.corpus import Sources
from seqloom.data.splits import same_text
from seqloom.run import make_settings
from seqloom.tasks import tasks

EXAMPLES = Path(__file__).parents[2] / "examples"


def sentence(draw: random.Random, words: int) -> str:
    return " ".join("".join(draw.choices("abcdefghij", k=draw.randint(2, 7))) for _ in range(words))


def with_one_word_changed(text: str, draw: random.Random) -> str:
    words = text.split()
    words[draw.randrange(len(words))] = "changed"
    return " ".join(words)


def similarity_of(first: str, second: str, of_words: bool) -> float:
    """The Jaccard similarity by its definition."""
    units: list[Any] = [same_text(text).split() if of_words else same_text(text) for text in (first, second)]
    size = 3 if of_words else 5
    one, other = ({tuple(unit[i : i + size]) for i in range(len(unit) - size + 1)} for unit in units)
    return len(one & other) / len(one | other)


@pytest.mark.parametrize(("words", "ngrams"), [(14, "character 5-grams"), (60, "word 3-grams")])
def test_each_test_text_gets_its_most_similar_training_text(words: int, ngrams: str) -> None:
    """Against the definition, computed for all pairs."""
    draw = random.Random(1)
    train = [sentence(draw, words) for _ in range(150)]
    test = [sentence(draw, words) for _ in range(20)]
    for text in train[:30]:
        for _ in range(draw.randint(1, 4)):
            text = with_one_word_changed(text, draw)
        test.append(text)
    result = near_duplicates(train, test)
    expected = {}
    for place, text in enumerate(test):
        best = max(range(len(train)), key=lambda number: similarity_of(text, train[number], "word" in ngrams))
        similarity = similarity_of(text, train[best], "word" in ngrams)
        if similarity >= SIMILARITY:
            expected[place] = (best, pytest.approx(similarity))
    assert result.ngrams == ngrams
    assert result.compared == len(test)
    assert {match.test: (match.train, match.similarity) for match in result.matches} == expected
    assert 3 <= len(expected) <= 30


def test_a_template_that_fills_the_data_is_compared_fast() -> None:
    """Of 3,000 near-duplicates of each text, one is enough."""
    lines = [f"the connection of user {number} was closed after the timeout of the server" for number in range(3_300)]
    result = near_duplicates(lines[300:], lines[:300])
    assert len(result.matches) == 300


def test_short_and_empty_texts_are_left_out() -> None:
    words = ["a b a n d o n s", "a b a n d o n", "", "yes"]
    assert near_duplicates(words, words) == ([], 0, "character 5-grams")
    assert near_duplicates([], []).matches == []
    assert near_duplicates([], ["a text that is long enough to be compared with another"]).matches == []


def with_one_letter_changed(text: str, draw: random.Random) -> str:
    place = draw.choice([place for place, letter in enumerate(text) if letter != " "])
    return f"{text[:place]}x{text[place + 1 :]}"


def write_data(task: str, folder: Path, planted: int) -> tuple[Path, Path]:
    """Files to train and to test on; the last `planted` test texts are training texts, from the 101st on, with one
    letter changed."""
    draw = random.Random(2)
    train = [sentence(draw, 15) for _ in range(200)]
    test = [sentence(draw, 15) for _ in range(50 - planted)]
    test += [with_one_letter_changed(text, draw) for text in train[100 : 100 + planted]]
    shape = {"language-model": "{}\n", "classify": "{1}\t{0}\n", "translate": "{}\tein ziel\n"}.get(task)
    paths = folder / "train.txt", folder / "test.txt"
    for path, texts in zip(paths, (train, test), strict=True):
        if shape is not None:
            path.write_text("".join(shape.format(text, number % 2) for number, text in enumerate(texts)))
        else:
            tagged = ["".join(f"{word} {word[0].upper()}\n" for word in text.split()) for text in texts]
            path.write_text("\n".join(tagged))
    return paths


def warning_of(task: str, sources: Sources, folder: Path) -> str:
    recipe = tasks[task].recipe(make_settings(task, tasks[task].default_model, {}, sources.data))
    return near_duplicates_warning([sources], recipe, folder / "cache")


@pytest.mark.parametrize("task", ["language-model", "classify", "translate", "tag"])
def test_planted_near_duplicates_are_shown_with_their_lines(task: str, tmp_path: Path) -> None:
    train, test = write_data(task, tmp_path, 10)
    text = warning_of(task, Sources(str(train), valid=str(test), test=str(test)), tmp_path)
    assert text.startswith("10 of 50 test texts (20 %) nearly equal a training text")
    places = [place.split(" “")[0] for place in text.split("For example ")[1].split(" and ")]
    paths, numbers = zip(*(place.strip(",").replace(", text ", ":").split(":") for place in places), strict=True)
    assert paths == (str(test), str(train))
    assert int(numbers[0]) - 41 == int(numbers[1]) - 101


def test_other_texts_are_no_warning(tmp_path: Path) -> None:
    train, test = write_data("language-model", tmp_path, 0)
    assert warning_of("language-model", Sources(str(train), test=str(test)), tmp_path) == ""


def test_folds_and_texts_that_are_split_by_position(tmp_path: Path) -> None:
    train, test = write_data("classify", tmp_path, 10)
    both = tmp_path / "both.tsv"
    both.write_text(train.read_text() + test.read_text())
    recipe = tasks["classify"].recipe(make_settings("classify", "bow", {}, str(both)))
    folds = [Sources(str(both), fold=fold, folds=3) for fold in (1, 2, 3)]
    text = near_duplicates_warning(folds, recipe, tmp_path / "cache")
    assert " of 250 test texts" in text
    assert 10 <= int(text.split()[0]) <= 20  # both texts of a pair, unless they are in one fold
    single = tmp_path / "single.txt"
    single.write_text("the same words again and again " * 200)
    assert warning_of("language-model", Sources(str(single)), tmp_path) == ""


@pytest.mark.parametrize(
    ("task", "data"),
    [
        ("language-model", "moby_dick.txt"),
        ("tag", "english_ewt.conllu"),
        ("classify", "gunpoint_train.ts.gz"),
        ("forecast", "airline.csv"),
    ],
)
def test_the_shipped_examples_have_none(task: str, data: str, tmp_path: Path) -> None:
    assert warning_of(task, Sources(str(EXAMPLES / data)), tmp_path) == ""
