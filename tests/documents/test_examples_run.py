"""Every command and every Python example of the README and the guides runs, with a small budget on small data."""

from __future__ import annotations

import csv
import json
import random
import re
import shlex
import shutil
from pathlib import Path

import pytest

from seqloom.comparison import trainings
from tests.support.command_line import CommandLine
from tests.support.labelled import write_labelled, write_series
from tests.support.pairs import write_pairs
from tests.support.sentences import write_sentences
from tests.support.sounds import spoken, write_recordings, write_wav
from tests.support.tagged_numbers import write_levels
from tests.support.targets import write_label_sets, write_numbers
from tests.support.texts import write_text
from tests.support.training_here import train_here
from tests.support.vectors_with_texts import write_archive, write_scenes

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("examples/*.md"))]
DOCUMENTS.remove(ROOT / "docs" / "index.md")  # it has the first example of the README
WORDS = ["king", "queen", "man", "woman", "cup", "mug", "breakfast", "cereal", "dinner", "lunch"]
BUDGETS = ("--minutes", "--epochs", "--sequences", "--updates")
BEFORE_THE_EXAMPLES = {
    "export.md": [
        "train translate pairs.tsv --model transformer --updates 2 --out runs/translate-transformer",
        "export runs/translate-transformer --to onnx translator",
    ],
    "transcribe.md": ["train transcribe recordings.tsv --model gru --updates 2 --out runs/live"],
}
"""The commands that make what a guide's Python examples open."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(document: Path, language: str) -> list[str]:
    """The contents of the code blocks with this language. All blocks are matched, so that the end of one is not taken
    for the beginning of the next."""
    text = document.read_text(encoding="utf-8")
    pairs = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [content for name_of_language, content in pairs if name_of_language == language]


def commands(document: Path) -> list[list[str]]:
    """The commands of the document in order, as words; a backslash continues a line. Servers, which do not end by
    themselves, are tested elsewhere."""
    text = "".join(blocks(document, "")).replace("\\\n", " ")
    lines = [re.sub(r"^torchrun .* -m ", "", line) for line in text.splitlines()]
    split = (shlex.split(line, comments=True)[1:] for line in lines if line.startswith("seqloom "))
    return [words for words in split if words[0] not in ("serve", "watch")]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(autouse=True)
def _trainings_of_comparisons_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process of its own would import torch anew; `tests/comparison` has such processes."""
    monkeypatch.setattr(trainings, "run_training", train_here)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the files that the documents name, all of them small."""
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "text.txt")
    draws = random.Random(5)
    with (tmp_path / "text.txt").open("a") as text:
        text.writelines(" ".join(draws.sample(WORDS, 6)) + "\n" for _ in range(60))
    for copy in ("prose.txt", "sentences.txt", "texts.txt"):
        shutil.copy(tmp_path / "text.txt", tmp_path / copy)
    write_text(tmp_path / "other.txt", lines=20)
    write_sentences(tmp_path / "sentences.conll")
    write_sentences(tmp_path / "other.conll", sentences=20, seed=6)
    write_pairs(tmp_path / "pairs.tsv")
    write_stems(tmp_path / "inflection.tsv")
    (tmp_path / "terms.tsv").write_text("a b\tc|d\ne\n")
    for labelled in ("labelled.tsv", "questions.tsv", "languages.tsv"):
        write_labelled(tmp_path / labelled)
    write_labelled(tmp_path / "more.tsv", examples=20, seed=6)
    write_label_sets(tmp_path / "sets.tsv")
    write_numbers(tmp_path / "ratings.tsv")
    write_series(tmp_path / "clips.ts")
    (tmp_path / "rated.tsv").write_text("w1 w2\tw1 w3\t4\nw4\tw5 w6\t1\nw1\tw2\t2\n" * 2)
    (tmp_path / "wordsim353.tsv").write_text("king\tqueen\t8.6\nking\tcup\t1.2\nman\twoman\t8.3\ncup\tmug\t9\n")
    (tmp_path / "questions-words.txt").write_text(": family\nman king woman queen\nwoman queen man king\n")
    write_tables(tmp_path)
    write_documents(tmp_path)
    write_levels(tmp_path / "steps.csv", 40)
    write_scenes(tmp_path / "images.csv", 40)
    for archive in ("captions", "new", "test"):
        write_archive(tmp_path / f"{archive}.npz", 40)
    write_recordings(tmp_path / "recordings.tsv", 30)
    write_recordings(tmp_path / "test.tsv", 6)
    write_wav(tmp_path / "a.wav", spoken("low high"))
    examples = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", examples)
    book = (examples / "moby_dick.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (examples / "moby_dick.txt").write_text("".join(book[:150]), encoding="utf-8")
    return tmp_path


def write_stems(path: Path) -> None:
    """Words and their forms, whose stems a target copies."""
    draws = random.Random(5)
    stems = ["".join(draws.choices("abcdefgh", k=7)) for _ in range(60)]
    path.write_text("".join(f"{stem}en\t{stem}t\n" for stem in stems))


def write_documents(folder: Path) -> None:
    """What `docs/vectors.md` reads about documents."""
    texts = ["this text is new " + " ".join(f"w{number % 7 + i % 3}" for i in range(12)) for number in range(60)]
    with (folder / "documents.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("name", "text"), ("whales", texts[0]), *enumerate(texts[1:])])


def write_tables(folder: Path) -> None:
    """What `docs/data.md` reads."""
    with (folder / "corpus.csv").open("w", newline="") as stream:
        rows = [(number, f'"{number}"', f"a b, {number}", f"c {number}") for number in range(60)]
        csv.writer(stream).writerows([("id", "note", "English", "German"), *rows])
    tickets = [{"id": i, "message": f"text {i} {i % 2}", "team": f"team {i % 2}"} for i in range(60)]
    (folder / "tickets.jsonl").write_text("".join(json.dumps(ticket) + "\n" for ticket in tickets))
    (folder / "texts").mkdir()
    for part in "ab":
        write_text(folder / "texts" / f"{part}.txt")


def other_data(document: Path, folder: Path) -> None:
    """`other.tsv` holds what the document is about."""
    if document.name == "classify.md":
        write_labelled(folder / "other.tsv", examples=20, seed=6)
    else:
        write_pairs(folder / "other.tsv", pairs=20)


def with_small_budget(words: list[str]) -> list[str]:
    """A training of two updates (for word vectors: one epoch), one seed, and two models of a comparison."""
    small, place = [], 0
    while place < len(words):
        if words[place] in BUDGETS:
            small += ["--epochs", "1"] if words[1] == "vectors" else ["--updates", "2"]
            place += 2
        elif words[place] == "--seeds":
            small += ["--seeds", "1"]
            place += 2
        elif words[place] == "--models":
            small += ["--models", ",".join(words[place + 1].split(",")[:2])]
            place += 2
        else:
            small.append(words[place])
            place += 1
    if words[0] == "train" and not any(word in BUDGETS for word in words):
        small += ["--epochs", "1"] if words[1] == "vectors" else ["--updates", "2"]
    if words[0] == "compare" and "--seeds" not in words:
        small += ["--seeds", "1"]
    if words[:2] == ["train", "algorithm"] or words[:2] == ["compare", "algorithm"]:
        small += ["--set", "held_out=4"]
    return small


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if commands(path)], ids=name)
def test_the_commands_run(document: Path, folder: Path, cli: CommandLine) -> None:
    other_data(document, folder)
    run_commands(document, cli)


def run_commands(document: Path, cli: CommandLine) -> None:
    """One after the other, as a reader would type them."""
    for words in commands(document):
        standard_input, target = "", None
        if "<" in words:
            words, standard_input = words[: words.index("<")], Path(words[-1]).read_text(encoding="utf-8")
        if ">" in words:
            words, target = words[: words.index(">")], words[-1]
        outcome = cli(*with_small_budget(words), standard_input=standard_input)
        assert outcome.status == 0, f"seqloom {shlex.join(words)}\n{outcome.errors}"
        if target is not None:
            Path(target).write_text(outcome.output, encoding="utf-8")


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if blocks(path, "python")], ids=name)
def test_the_python_examples_run(document: Path, folder: Path, cli: CommandLine) -> None:
    """One after the other, with the names of those before."""
    other_data(document, folder)
    for command in BEFORE_THE_EXAMPLES.get(document.name, []):
        outcome = cli(*command.split())
        assert outcome.status == 0, outcome.errors
    names: dict[str, object] = {}
    for example in blocks(document, "python"):
        exec(example.replace("minutes=10", "updates=2"), names)
