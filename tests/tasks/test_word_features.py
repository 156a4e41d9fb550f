"""Features of words (`dog￨NN`): they are read with the words, from every format, wherever a tagger is used."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqloom
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged import inputs_of, tagged
from seqloom.data.tag_recipe import tag_recipe
from seqloom.data.word_vocabularies import Spelling, VocabularySettings
from seqloom.errors import RequestError, SeqloomError
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom_portable import load
from seqloom_portable.errors import PortableError
from seqloom_portable.word_features import SEPARATOR, separate, symbols
from tests.support.sentences import assert_resumes, train_tagger, write_sentences_with_kinds

SENTENCE = Sentence(("Ada￨NNP￨nsubj", "slept￨VBD￨root"), ("NOUN", "VERB"))
CONLLU = "1\tAda\t_\tNOUN\tNNP\t_\t2\tnsubj\t_\t_\n2\tslept\t_\tVERB\tVBD\t_\t0\troot\t_\t_\n"
WORDS_OF_A_TABLE = "sentence,word,tag,xpos,deprel\n1,Ada,NOUN,NNP,nsubj\n1,slept,VERB,VBD,root\n"
SENTENCES_OF_A_TABLE = "word,tag,xpos,deprel\nAda slept,NOUN VERB,NNP VBD,nsubj root\n"
CONLL = "Ada NNP nsubj NOUN\nslept VBD root VERB\n"
FILES = [
    ("a.conllu", CONLLU, ("xpos", "deprel")),
    ("a.conllu", CONLLU, (5, 8)),
    ("a.conll", CONLL, (2, 3)),
    ("words.csv", WORDS_OF_A_TABLE, ("xpos", 5)),
    ("sentences.csv", SENTENCES_OF_A_TABLE, ("xpos", "deprel")),
]


@pytest.mark.parametrize(("name", "text", "features"), FILES)
def test_every_format_has_features(name: str, text: str, features: tuple[int | str, ...], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert list(tagged(str(path), features=features)) == [SENTENCE]
    assert list(inputs_of(str(path), features=features)) == [SENTENCE.words]
    auxiliary = tagged(str(path), features=features[:1], auxiliary=["deprel" if path.suffix != ".conll" else 3])
    assert list(auxiliary) == [Sentence(("Ada￨NNP", "slept￨VBD"), SENTENCE.tags, (("nsubj", "root"),))]


def test_words_of_plain_text_have_theirs_already(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada￨NNP slept￨VBD\n")
    assert list(inputs_of(str(tmp_path / "a.txt"), features=[2])) == [("Ada￨NNP", "slept￨VBD")]


@pytest.mark.parametrize(
    ("name", "text", "features", "message"),
    [
        ("a.conllu", CONLLU, ("xpost",), "did you mean 'xpos'"),
        ("a.conllu", CONLLU, (11,), "ten columns"),
        ("a.conll", CONLL, ("xpos",), "CoNLL columns have no names"),
        ("a.conll", CONLL, (5,), "there is no column 5"),
        ("a.conll", CONLL.replace("VBD", "V￨D"), (2,), "a feature contains ￨"),
        ("a.conll", CONLL.replace(" ", "\t").replace("VBD", ""), (2,), "column 2 is empty"),
        ("words.csv", WORDS_OF_A_TABLE.replace("VBD", ""), ("xpos",), "the feature xpos is empty"),
        ("words.csv", WORDS_OF_A_TABLE, ("pos",), "no column named 'pos'"),
        ("sentences.csv", SENTENCES_OF_A_TABLE.replace("VBD", ""), ("xpos",), "not one feature xpos for each word"),
    ],
)
def test_a_column_that_cannot_be_read(
    name: str, text: str, features: tuple[int | str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SeqloomError, match=message):
        list(tagged(str(tmp_path / name), features=features))


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(words, st.lists(words.filter(lambda feature: SEPARATOR not in feature)))
def test_a_word_and_its_features_are_separated_again(word: str, features: list[str]) -> None:
    assert separate(SEPARATOR.join([word, *features]), len(features)) == (word, features)
    read = symbols(word, features)
    assert read[: len(word)] == list(word)
    assert len(read) == len(word) + len(features)
    assert len(set(read[len(word) :])) == len(features), "equal features of two columns are different symbols"


def test_words_are_looked_up_without_their_features() -> None:
    counts = {"Dog￨NN": 2, "dog￨VB": 1, "runs￨VB": 2}
    spelling = Spelling.learn(Counter(counts), VocabularySettings(), features=1)
    assert spelling.words.tokens == ("dog", "runs")
    assert "￨VB" in spelling.characters.tokens
    assert spelling.symbols("dog￨NN") == ["d", "o", "g", "￨NN"]


def write_words_that_say_nothing(path: Path) -> str:
    """The tag follows from the feature alone."""
    rng = random.Random(3)
    rows = [(rng.choice("abcdef"), rng.choice(("x", "y"))) for _ in range(600)]
    lines = [f"{word} {feature} {'TRUE' if feature == 'x' else 'FALSE'}\n" for word, feature in rows]
    path.write_text("\n".join("".join(lines[start : start + 4]) for start in range(0, 600, 4)))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    folder = tmp_path_factory.mktemp("features")
    write_words_that_say_nothing(folder / "sentences.conll")
    return train_tagger(folder / "run", model="lstm", updates=80, data__features=2)


LINES = ["a￨x b￨y", "", "unseen￨y a￨x c￨new"]


def test_what_the_features_say_is_learnt(run: seqloom.Run) -> None:
    assert run.evaluate(run.plan.sources.data)["accuracy"] == 1
    assert run.predict(LINES[:2]) == ["a\tTRUE\nb\tFALSE\n", ""]
    assert run.predict([LINES[0].replace("x", "y")]) == ["a\tFALSE\nb\tFALSE\n"]
    known = run.predict([[("a￨x", "FALSE"), ("b￨y", None)]])
    assert known == ["a\tFALSE\nb\tFALSE\n"]


def test_a_file_to_predict_has_the_columns(run: seqloom.Run, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a x\nb y\n\n")
    (tmp_path / "b.conll").write_text("a\nb\n\n")
    assert run.predict(run.inputs(str(tmp_path / "a.conll"))) == ["a\tTRUE\nb\tFALSE\n"]
    with pytest.raises(SeqloomError, match=r"no column 2(.|\n)*data\.features"):
        list(run.inputs(str(tmp_path / "b.conll")))


def test_words_without_features_are_refused(run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match=r"features of each word(.|\n)*'b'(.|\n)*word￨feature"):
        run.predict(["a￨x b"])
    with pytest.raises(RequestError, match="features of each word"):
        run.embed(["a b"])


def test_an_exported_model_reads_them_too(run: seqloom.Run, tmp_path: Path) -> None:
    exporters["onnx"](run, tmp_path / "exported", ExportOptions())
    exported = load(tmp_path / "exported")
    assert exported.predict(LINES) == run.predict(LINES)
    with pytest.raises(PortableError, match="word￨feature"):
        exported.predict(["a￨x b"])


def test_stopped_and_resumed_is_unbroken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sentences_with_kinds(tmp_path / "sentences.conll")
    assert_resumes(tmp_path, monkeypatch, data__features="2,3")


@pytest.mark.parametrize(("column", "message"), [(4, "is the one that is predicted"), (5, "no column 5")])
def test_a_column_that_tells_the_answer_or_nothing(column: int, message: str, tmp_path: Path) -> None:
    write_sentences_with_kinds(tmp_path / "sentences.conll")
    with pytest.raises(SeqloomError, match=message):
        train_tagger(tmp_path / "run", updates=1, data__features=column)


def test_raw_text_has_the_columns_too(tmp_path: Path) -> None:
    data = write_sentences_with_kinds(tmp_path / "sentences.conll")
    options: dict[str, Any] = {"language_model_weight": 0.3, "data__features": 2}
    train_tagger(tmp_path / "run", updates=2, data__raw=data, **options)
    (tmp_path / "raw.txt").write_text("Ada went to Rome\n")
    with pytest.raises(RequestError, match="features of each word"):
        train_tagger(tmp_path / "other", updates=2, data__raw=str(tmp_path / "raw.txt"), **options)


def test_a_run_of_other_features_is_no_beginning(tmp_path: Path) -> None:
    data = write_sentences_with_kinds(tmp_path / "sentences.conll")
    earlier = train_tagger(tmp_path / "run", updates=2, data__features=2)

    def later(features: str) -> seqloom.Run:
        return seqloom.train(
            "tag", data, out=tmp_path / f"later-{features}", updates=1, threads=1, quiet=True,
            initialise_from=earlier, settings={"data.features": features.split(",")},
        )  # fmt: skip

    assert later("2").codec.spelling.features == 1
    with pytest.raises(RequestError, match="another number of features"):
        later("2,3")


def test_equal_sentences_with_other_features_stay_in_one_split() -> None:
    recipe = tag_recipe(tagged, VocabularySettings(), "auto", "", (2,))
    identities = {recipe.identity(Sentence((f"it￨{x}", f"is￨{x}"), ("A", "B"))) for x in "xyz"}
    assert identities == {"it\tis"}


def test_the_cache_knows_the_columns() -> None:
    choices: tuple[tuple[int, ...], ...] = ((), (2,), (2, 3))
    recipes = [tag_recipe(tagged, VocabularySettings(), "auto", "", features) for features in choices]
    assert len({recipe.settings for recipe in recipes}) == len(choices)
