"""Good data is read without a warning: the examples that are shipped, and real data where it lies beside the checkout.

Warnings are errors in these tests, as in all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seqloom.data.corpus import Sources, encode, prepare
from seqloom.data.readers import readers
from seqloom.run.plan import make_settings
from seqloom.tasks import tasks

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason=f"there is no {SHARED}")

FILES: dict[str, Sequence[str]] = {
    "analogies": ["vectors/questions-words.txt"],
    "conll": ["tag/conll2000.train.txt.gz", "tag/conll2002.es.*.txt.gz"],
    "described": [],  # none of the files has texts beside vectors
    "conllu": ["tag/ud_ewt.*.conllu.gz"],
    "documents": ["lm/moby_dick.txt"],
    "labelled": ["classify/*.tsv*", "series/*.ts", "image/digits.csv.gz"],
    "lines": ["lm/*.txt*"],
    "pairs": ["translate/*.tsv*", "g2p/*.tsv*", "morphology/*.tsv"],
    "rated-pairs": ["vectors/wordsim353.tsv", "vectors/simlex999.txt"],
    "recordings": ["speech/*.zip"],
    "series": ["series/*.csv", "series/*.csv.gz"],
    "table": ["image/digits.csv.gz"],
    "tagged": ["tag/*.gz"],
    "tagged-steps": [],  # none of the files has a tag for each step
    "ts-format": ["series/*.ts"],
}
"""By reader: the files in the folder of real data."""


class Training(NamedTuple):
    """What a model is trained on: files of a folder, and settings that the data asks for."""

    task: str
    data: str
    valid: str | None = None
    settings: dict[str, Any] = {}  # noqa: RUF012


CHARACTERS = {"tokenizer.kind": "character"}
OF_EXAMPLES = [
    Training("language-model", "moby_dick.txt"),
    Training("language-model", "moby_dick.txt", settings={"tokenizer.kind": "bpe", "tokenizer.vocab_size": 4000}),
    Training("vectors", "moby_dick.txt"),
    Training("tag", "english_ewt.conllu"),
    Training("classify", "gunpoint_train.ts.gz", "gunpoint_test.ts.gz"),
    Training("classify", "japanese_vowels.ts.gz"),
    Training("forecast", "airline.csv"),
    Training("describe", "captions/digits.csv.gz"),
    Training("translate", "pronunciation/words.tsv.gz"),
    Training("transcribe", "spoken_commands/digits.zip"),
]
OF_SHARED = [
    Training("language-model", "lm/moby_dick.txt"),
    Training("language-model", "lm/english_prose.txt.xz"),
    Training("vectors", "lm/moby_dick.txt"),
    Training("vectors", "lm/english_prose.txt.xz"),
    Training("translate", "translate/multi30k.en-de.train.tsv", "translate/multi30k.en-de.valid.tsv"),
    Training("translate", "translate/software.en-de.train.tsv.gz", "translate/software.en-de.valid.tsv"),
    Training("translate", "translate/libreoffice.en-de.tsv.gz"),
    Training("translate", "translate/bible.kjv-asv.tsv.gz"),
    Training("translate", "g2p/cmudict.train.tsv", "g2p/cmudict.valid.tsv"),
    Training("translate", "g2p/spelling.codespell.tsv.gz", settings=CHARACTERS),
    *(Training("translate", f"morphology/{language}.train.tsv", f"morphology/{language}.valid.tsv")
      for language in ("german", "spanish", "turkish")),
    Training("classify", "classify/imdb.train.tsv.gz", "classify/imdb.valid.tsv.gz"),
    Training("classify", "classify/trec.train.tsv"),
    Training("classify", "classify/language_id.gnome.tsv.gz", settings=CHARACTERS),
    Training("classify", "series/JapaneseVowels_TRAIN.ts"),
    Training("classify", "series/PLAID_TRAIN.ts"),
    Training("classify", "series/GunPoint_TRAIN.ts", "series/GunPoint_TEST.ts"),
    Training("classify", "image/digits.csv.gz"),
    Training("tag", "tag/ud_ewt.train.conllu.gz", "tag/ud_ewt.valid.conllu.gz"),
    Training("tag", "tag/conll2000.train.txt.gz"),
    Training("tag", "tag/conll2002.es.train.txt.gz", "tag/conll2002.es.valid.txt.gz"),
    *(Training("forecast", f"series/{name}") for name in ("airline.csv", "co2.csv", "sunspots.csv", "lynx.csv")),
    Training("forecast", "series/ETTh1.csv", settings={"data.target": "OT"}),
    Training("forecast", "series/m3_monthly.csv.gz"),
    Training("transcribe", "speech/spoken_digits.train.zip"),
]  # fmt: skip
WITHOUT_FILES = {"algorithm", "describe"}


def test_every_reader_and_task_is_here() -> None:
    """Add what is missing, with a file if there is one: warnings that cry wolf are worse than none."""
    assert set(FILES) == set(readers)
    assert {training.task for training in OF_SHARED} | WITHOUT_FILES >= set(tasks)


def prepare_all(training: Training, folder: Path, cache: Path) -> None:
    """As a training does: read, split, learn vocabularies and labels, encode; then the validation data once more, as
    evaluation does."""
    data, valid = str(folder / training.data), training.valid and str(folder / training.valid)
    task = tasks[training.task]
    settings = make_settings(training.task, task.default_model, training.settings, data)
    recipe = task.recipe(settings)
    corpus = prepare(Sources(data, valid), recipe, cache)
    assert len(corpus.train) > 0
    if valid:
        assert len(encode(valid, recipe, corpus.codec, cache)) > 0


def identify(training: Training) -> str:
    return f"{training.task} {training.data} {' '.join(map(str, training.settings.values()))}".strip()


@pytest.mark.parametrize("training", OF_EXAMPLES, ids=identify)
def test_examples_are_prepared_without_a_warning(training: Training, tmp_path: Path) -> None:
    prepare_all(training, EXAMPLES, tmp_path / "cache")


def test_all_examples_are_here() -> None:
    others = (".md", ".LICENSE", ".py", ".pyc", ".toml")
    found = {
        str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix not in others
    }
    assert found == {file for training in OF_EXAMPLES for file in (training.data, training.valid) if file}


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_real_files_are_read_without_a_warning(name: str) -> None:
    paths = [path for pattern in FILES[name] for path in sorted(SHARED.glob(pattern))]
    assert len(paths) >= len(FILES[name])
    for path in paths:
        assert sum(1 for _ in readers[name](str(path))) > 0, path


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("training", OF_SHARED, ids=identify)
def test_real_data_is_prepared_without_a_warning(training: Training, tmp_path: Path) -> None:
    if training.task not in tasks:
        pytest.skip(f"there is no task {training.task}")
    prepare_all(training, SHARED, tmp_path / "cache")
