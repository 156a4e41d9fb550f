"""Sentences as numbers: what is looked up and what is spelt, what is stored, and what a batch holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from seqloom.data.corpus import Corpus, Sources, encode, prepare
from seqloom.data.labels import UNSEEN, Labels
from seqloom.data.lexicon import Lexicon, Numbering
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged import tagged
from seqloom.data.tag_recipe import tag_recipe
from seqloom.data.tagged import TagCodec, TaggedFile
from seqloom.data.tagged_loader import TaggedLoader
from seqloom.data.tokenizer import PAD, UNK
from seqloom.data.vocabulary import Vocabulary
from seqloom.data.word_vocabularies import Spelling, VocabularySettings
from seqloom.errors import SeqloomError
from tests.support.sentences import write_sentences

SENTENCES = [
    Sentence(("The", "cat", "sat"), ("D", "N", "V")),
    Sentence(("the", "dog"), ("D", "N")),
    Sentence(("Cat", "saw", "the", "cat", "in", "2019"), ("N", "V", "D", "N", "P", "C")),
    Sentence(("1999",), ("C",)),
]
COUNTS = Counter(word for sentence in SENTENCES for word in sentence.words)


def write(path: Path, sentences: list[Sentence]) -> str:
    rows = (
        "".join(f"{word}\t{tag}\n" for word, tag in zip(sentence.words, sentence.tags, strict=True))
        for sentence in sentences
    )
    path.write_text("\n".join(rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def codec() -> TagCodec:
    return TagCodec(Spelling.learn(COUNTS, VocabularySettings()), Labels(("C", "D", "N", "P", "V")))


@pytest.fixture
def data(codec: TagCodec, tmp_path: Path) -> TaggedFile:
    writer = codec.writer(tmp_path / "stored")
    writer.add(SENTENCES[:2])
    writer.add(SENTENCES[2:])
    writer.finish()
    return codec.open(tmp_path / "stored")


def test_words_are_looked_up_and_letters_are_as_written() -> None:
    spelling = Spelling.learn(COUNTS, VocabularySettings())
    assert spelling.words.tokens == ("cat", "the", "0000")
    assert spelling.words.ids(map(spelling.entry, ["THE", "1234", "dog"])) == [5, 6, UNK]
    assert spelling.characters.ids("tT") == [4 + spelling.characters.tokens.index("t"), UNK]


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"min_count": 3}, ("cat", "the")),
        ({"vocab_size": 5}, ("cat",)),
        ({"vocab_size": 1}, ()),
        ({"lowercase": False}, ("0000", "cat", "the")),
        ({"zero_digits": False}, ("cat", "the")),
    ],
)
def test_settings_of_the_vocabulary(settings: dict[str, int], tokens: tuple[str, ...]) -> None:
    assert Spelling.learn(COUNTS, VocabularySettings.model_validate(settings)).words.tokens == tokens


def test_a_special_name_in_a_text_is_a_word_like_others() -> None:
    vocabulary = Vocabulary.learn(Counter({"<pad>": 3, "<unk>": 2}), 1, 0)
    assert vocabulary.ids(["<pad>", "<unk>", "<eos>"]) == [4, 5, UNK]


def test_a_codec_is_saved_and_loaded(codec: TagCodec, tmp_path: Path) -> None:
    codec.save(tmp_path)
    assert TagCodec.load(tmp_path) == codec
    (tmp_path / "vocabulary.json").write_text("{}")
    with pytest.raises(SeqloomError, match="the vocabulary could not be read"):
        TagCodec.load(tmp_path)


def test_what_is_stored_is_what_was_given(data: TaggedFile) -> None:
    assert [data.sentence(i) for i in range(data.num_lines)] == SENTENCES
    assert (len(data), data.num_lines) == (12, 4)
    assert data.word_counts(7).tolist() == [0, 4, 0, 0, 3, 3, 2]
    transitions = data.transitions()
    assert transitions.sum() == len(data)
    assert transitions[5].tolist() == [1, 2, 1, 0, 0]  # what comes first
    assert transitions[1].tolist() == [0, 0, 3, 0, 0]  # a D is followed by an N


def test_tags_that_training_does_not_have_are_kept_apart(codec: TagCodec, tmp_path: Path) -> None:
    writer = codec.writer(tmp_path / "stored")
    writer.add([Sentence(("the", "Emu", "Emu"), ("D", "X", "Y"))])
    writer.finish()
    data = codec.open(tmp_path / "stored")
    assert data.names == ("C", "D", "N", "P", "V", "X", "Y")
    assert data.targets([0])[0].tolist() == [1, UNSEEN, UNSEEN]
    assert data.sentence(0).tags == ("D", "X", "Y")


def test_nothing_is_stored_of_nothing(codec: TagCodec, tmp_path: Path) -> None:
    codec.writer(tmp_path / "stored").finish()
    data = codec.open(tmp_path / "stored")
    assert (len(data), data.num_lines) == (0, 0)


def prepared(tmp_path: Path, sentences: int = 150) -> Corpus[Sentence, TaggedFile]:
    path = write_sentences(tmp_path / "sentences.conll", sentences)
    return prepare(Sources(path), tag_recipe(tagged, VocabularySettings(), "auto"), tmp_path / "cache")


def test_equal_sentences_fall_on_one_side(tmp_path: Path) -> None:
    corpus = prepared(tmp_path, 600)
    assert corpus.test is not None
    parts = [
        {part.sentence(i).words for i in range(part.num_lines)} for part in (corpus.train, corpus.valid, corpus.test)
    ]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]


def test_a_file_without_sentences(tmp_path: Path) -> None:
    path, recipe = tmp_path / "empty.conll", tag_recipe(tagged, VocabularySettings(), "auto")
    path.write_text("\n\n")
    with pytest.raises(SeqloomError, match="nothing to train on"):
        prepare(Sources(str(path)), recipe, tmp_path / "cache")
    path.write_text("".join(f"a{i} X\nb X\n\n" for i in range(20)))
    with pytest.raises(SeqloomError, match="no classes to distinguish"):
        prepare(Sources(str(path)), recipe, tmp_path / "cache")


def test_a_batch_has_each_word_once(data: TaggedFile) -> None:
    batch = data.batch(data.rows([0, 2, 3]))
    assert batch.forms is not None
    assert len(batch.forms.word_ids) == len({word for i in (0, 2, 3) for word in data.sentence(i).words})
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [3, 6, 1]
    assert (batch.targets == UNSEEN).all()
    spelling = Spelling.learn(COUNTS, VocabularySettings())
    for row, number in enumerate([0, 2, 3]):
        words = data.sentence(number).words
        places = batch.inputs[row, : len(words)]
        assert batch.forms.word_ids[places].tolist() == spelling.words.ids(map(spelling.entry, words))
        for place, word in zip(places, words, strict=True):
            length = int(batch.forms.lengths[place])
            assert batch.forms.characters[place, :length].tolist() == spelling.characters.ids(word)
            assert (batch.forms.characters[place, length:] == PAD).all()


def test_an_empty_word_is_spelt_with_nothing(codec: TagCodec) -> None:
    numbering = Numbering()
    assert numbering.of(["", "cat", ""]) == [0, 1, 0]
    forms = Lexicon.of(list(numbering.numbers), codec.spelling).forms(np.array([0]))
    assert forms.lengths.tolist() == [0]
    assert forms.characters.tolist() == [[PAD]]


@pytest.mark.parametrize("seed", [None, 3])
def test_an_epoch_has_every_sentence_once(tmp_path: Path, seed: int | None) -> None:
    train = prepared(tmp_path).train
    loader = TaggedLoader(train, 40, seed)
    found: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for step in range(loader.num_steps(0)):
        batch = loader.batch(0, step)
        assert batch.inputs.numel() <= 40
        assert batch.forms is not None
        real = batch.mask()
        real = torch.ones_like(batch.inputs, dtype=torch.bool) if real is None else real
        assert (batch.targets[~real] == UNSEEN).all()
        for row in range(batch.num_rows):
            ids, tags = batch.forms.word_ids[batch.inputs[row]][real[row]], batch.targets[row][real[row]]
            found[tuple(ids.tolist()), tuple(tags.tolist())] += 1
    numbers = range(train.num_lines)
    words = [tuple(train.lexicon.word_ids[row].tolist()) for row in train.rows(numbers)]
    assert found == Counter(zip(words, (tuple(tags.tolist()) for tags in train.targets(numbers)), strict=True))


def test_another_file_is_read_by_the_codec_of_the_training(tmp_path: Path) -> None:
    corpus = prepared(tmp_path)
    other = write(tmp_path / "other.conll", [Sentence(("Ada", "slept"), ("B-PER", "B-NEW"))])
    data = encode(other, tag_recipe(tagged, VocabularySettings(), "auto"), corpus.codec, tmp_path / "cache")
    assert data.targets([0])[0].tolist() == [corpus.train.labels.names.index("B-PER"), UNSEEN]
