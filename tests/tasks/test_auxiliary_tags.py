"""Auxiliary columns of a tagger: they are read, stored and learnt from in training, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import seqloom
from seqloom.data.labels import UNSEEN
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged import tagged
from seqloom.data.tag_recipe import tag_recipe
from seqloom.data.tagged import TaggedFile
from seqloom.data.tagged_loader import TaggedLoader
from seqloom.data.word_vocabularies import VocabularySettings
from seqloom.errors import RequestError, SeqloomError
from seqloom.storage.tensors import read_tensors
from tests.support.sentences import KINDS, assert_resumes, train_tagger, write_sentences, write_sentences_with_kinds


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    out = tmp_path_factory.mktemp("auxiliary") / "run"
    write_sentences_with_kinds(out.parent / "sentences.conll")
    return train_tagger(out, updates=60, data__auxiliary="2,3", auxiliary_weight=1.0)


SENTENCE = Sentence(("Ada", "slept"), ("NOUN", "VERB"), (("NNP", "VBD"), ("nsubj", "root")))
CONLLU = "1\tAda\t_\tNOUN\tNNP\t_\t2\tnsubj\t_\t_\n2\tslept\t_\tVERB\tVBD\t_\t0\troot\t_\t_\n"
WORDS_OF_A_TABLE = "sentence,word,tag,xpos,deprel\n1,Ada,NOUN,NNP,nsubj\n1,slept,VERB,VBD,root\n"
SENTENCES_OF_A_TABLE = "word,tag,xpos,deprel\nAda slept,NOUN VERB,NNP VBD,nsubj root\n"


@pytest.mark.parametrize(
    ("name", "text", "auxiliary"),
    [
        ("a.conllu", CONLLU, ("xpos", "deprel")),
        ("a.conllu", CONLLU, (5, 8)),
        ("a.conll", "Ada NNP nsubj NOUN\nslept VBD root VERB\n", (2, 3)),
        ("words.csv", WORDS_OF_A_TABLE, ("xpos", "deprel")),
        ("sentences.csv", SENTENCES_OF_A_TABLE, ("xpos", "deprel")),
    ],
)
def test_every_format_has_auxiliary_columns(
    name: str, text: str, auxiliary: tuple[int | str, ...], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    assert list(tagged(str(tmp_path / name), auxiliary=auxiliary)) == [SENTENCE]
    assert list(tagged(str(tmp_path / name))) == [SENTENCE._replace(auxiliary=())]


@pytest.mark.parametrize(
    ("name", "text", "auxiliary", "message"),
    [
        ("a.conllu", CONLLU, ("xpost",), "xpos"),
        ("a.conllu", CONLLU, (11,), "ten columns"),
        ("sentences.csv", SENTENCES_OF_A_TABLE.replace("VBD", ""), ("xpos",), "not one auxiliary xpos for each word"),
    ],
)
def test_a_column_that_cannot_be_read(
    name: str, text: str, auxiliary: tuple[int | str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SeqloomError, match=message):
        list(tagged(str(tmp_path / name), auxiliary=auxiliary))


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("a.conll", "Ada NNP NOUN\nslept VBD VERB\n", "pos"),
        ("a.conll", "Ada NOUN\nslept VERB\n", 3),
        ("words.csv", WORDS_OF_A_TABLE, 4),
        ("words.csv", WORDS_OF_A_TABLE, "pos"),
        ("sentences.csv", SENTENCES_OF_A_TABLE, 3),
    ],
)
def test_a_file_of_another_form_is_read_without_the_column(
    name: str, text: str, column: int | str, tmp_path: Path
) -> None:
    """Such as one to evaluate; only training needs the column."""
    (tmp_path / name).write_text(text)
    assert list(tagged(str(tmp_path / name), auxiliary=[column])) == [SENTENCE._replace(auxiliary=(("", ""),))]


@pytest.mark.parametrize(
    ("column", "message"),
    [("pos", "numbers in CoNLL"), (5, "no such column"), (4, "is the one that is predicted"), (1, None)],
)
def test_a_column_without_anything_to_learn(column: int, message: str | None, tmp_path: Path) -> None:
    write_sentences_with_kinds(tmp_path / "sentences.conll")
    if message is None:
        train_tagger(tmp_path / "run", updates=1, data__auxiliary=column)
        return
    with pytest.raises(RequestError, match=message):
        train_tagger(tmp_path / "run", updates=1, data__auxiliary=column)


def test_a_constant_column_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sentences.conll").write_text("".join(f"a{i} X N\nb X V\n\n" for i in range(40)))
    with pytest.raises(RequestError, match="nothing to distinguish"):
        train_tagger(tmp_path / "run", updates=1, data__auxiliary=2)


@pytest.mark.parametrize("columns", ["0", "2,2", "2,", "auto", ["xpos", "xpos"]])
def test_settings_that_name_no_columns(columns: Any, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="different columns"):
        train_tagger(tmp_path / "run", updates=1, data__auxiliary=columns)


def train_data(run: seqloom.Run) -> TaggedFile:
    data = run.read(str(run.folder.parent / "sentences.conll"))
    assert isinstance(data, TaggedFile)
    return data


def test_batches_have_the_labels_of_the_columns(run: seqloom.Run) -> None:
    data = train_data(run)
    kinds, lengths = run.codec.auxiliary
    batch = TaggedLoader(data, 200, seed=3).batch(0, 1)
    assert batch.auxiliary is not None
    assert batch.forms is not None
    assert batch.auxiliary.shape == (*batch.targets.shape, 2)
    assert torch.equal(batch.auxiliary == UNSEEN, (batch.targets == UNSEEN)[:, :, None].expand(-1, -1, 2))
    for tag, (kind, length) in zip(
        batch.targets.flatten().tolist(), batch.auxiliary.flatten(0, 1).tolist(), strict=True
    ):
        if tag != UNSEEN:
            assert kinds.names[kind] == KINDS[data.labels.names[tag]]
            assert lengths.names[length].isdigit()


def test_a_file_to_evaluate_needs_no_auxiliary_column(run: seqloom.Run, tmp_path: Path) -> None:
    whole = train_data(run)
    bare = tmp_path / "bare.conll"
    write_sentences(bare)  # the same sentences
    assert run.evaluate(str(bare)) == run.evaluate(whole)
    assert run.evaluate(whole)["span_f1"] > 0.9


def test_the_loss_is_that_of_the_tags_and_the_gradient_that_of_all(run: seqloom.Run) -> None:
    model, batch = run.model, TaggedLoader(train_data(run), 200, seed=3).batch(0, 0)
    known = batch.targets != UNSEEN
    weights = [p for name, p in model.named_parameters() if not name.startswith("forms.words")]
    model.forms.unknown = 0.0  # words are replaced by <unk> at random otherwise
    model.train()
    try:
        loss = model.multi_task_loss(batch, known)
        alone = model.loss(batch.inputs, batch.forms, batch.targets, known, batch.lengths)
        outputs = model._encoded(model.vectors(batch.inputs, batch.forms), batch.lengths).outputs
        losses = [
            F.cross_entropy(
                F.linear(outputs, column.weight, column.bias).flatten(0, 1),
                batch.auxiliary[:, :, number].flatten(),
                ignore_index=UNSEEN,
                reduction="sum",
            )
            for number, column in enumerate(model.auxiliary.columns)
        ]
        others = torch.stack(losses).sum()
        torch.testing.assert_close(loss, alone)
        ours = torch.autograd.grad(loss, weights)
        expected = torch.autograd.grad(alone + others, weights)
    finally:
        model.eval()
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-4)
    assert float(others.detach()) / int(known.sum()) < 1  # of two columns; it has learnt them


def test_with_a_weight_of_0_nothing_changes(tmp_path: Path) -> None:
    write_sentences_with_kinds(tmp_path / "sentences.conll")
    plain = train_tagger(tmp_path / "plain", updates=6)
    weightless = train_tagger(tmp_path / "run", updates=6, data__auxiliary=2, auxiliary_weight=0.0)
    tensors, others = (read_tensors(each.folder / "model.safetensors") for each in (plain, weightless))
    assert others.keys() - tensors.keys() == {"auxiliary.columns.0.weight", "auxiliary.columns.0.bias"}
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)


def test_stopped_and_resumed_is_unbroken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sentences_with_kinds(tmp_path / "sentences.conll")
    assert_resumes(tmp_path, monkeypatch, data__auxiliary="2,3")


@pytest.mark.parametrize(("before", "after"), [("", "2"), ("2", ""), ("2", "3"), ("2", "2,3")])
def test_a_run_with_other_columns_to_begin_from(before: str, after: str, tmp_path: Path) -> None:
    write_sentences_with_kinds(tmp_path / "sentences.conll")
    data = str(tmp_path / "sentences.conll")
    earlier = train_tagger(tmp_path / "run", updates=5, **({"data__auxiliary": before} if before else {}))
    later = seqloom.train(
        "tag", data, out=tmp_path / "later", updates=1, threads=1, quiet=True, initialise_from=earlier,
        settings={"data.auxiliary": after.split(",") if after else []},
    )  # fmt: skip
    assert len(later.model.auxiliary.columns) == len(after.split(",") if after else [])


def test_the_cache_knows_the_columns() -> None:
    choices: tuple[tuple[int, ...], ...] = ((), (2,), (2, 3))
    recipes = [tag_recipe(tagged, VocabularySettings(), ("auto", "", auxiliary)) for auxiliary in choices]
    assert len({recipe.settings for recipe in recipes}) == len(choices)


def test_sequences_of_numbers_have_no_auxiliary_columns(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("x,tag\n" + "".join(f"{i % 7},{'ab'[i % 2]}\n" for i in range(90)))
    with pytest.raises(RequestError, match=r"data\.auxiliary"):
        seqloom.train("tag", str(path), updates=1, out=tmp_path / "run", settings={"data.auxiliary": ["x"]})


def test_a_weight_without_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="changes nothing") as error:
        train_tagger(tmp_path / "run", updates=1, auxiliary_weight=1.0)
    assert "data.auxiliary" in str(error.value)
