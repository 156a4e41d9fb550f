"""`seqloom look`: the kind of data, its facts, what looks wrong, and a suggestion that exists."""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from seqloom.cli.look import commands
from seqloom.data.sound.sound_file import SUFFIXES
from seqloom.data.survey.survey import survey
from seqloom.errors import RequestError
from seqloom.tasks import tasks
from tests.support.command_line import CommandLine
from tests.support.labelled import write_labelled, write_series
from tests.support.pairs import write_pairs
from tests.support.sentences import write_sentences
from tests.support.tagged_numbers import write_level_archive, write_levels
from tests.support.targets import write_label_sets, write_numbers
from tests.support.texts import write_text


def written(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def of_json(rows: list[dict[str, object]]) -> Callable[[Path], object]:
    return written("".join(json.dumps(row) + "\n" for row in rows))


MONTHS = "".join(f"20{10 + i // 12}-{i % 12 + 1:02}-01,{i}\n" for i in range(48))
SERIES = pl.read_csv(f"date,sales\n{MONTHS}".encode())
TEXTS: list[dict[str, object]] = [{"text": f"word {i} of {i % 7}", "label": i % 3, "id": i} for i in range(120)]
SENTENCES: list[dict[str, object]] = [{"tokens": ["Ada", f"w{i}"], "tags": ["B-PER", "O"]} for i in range(40)]
DIGITS = "".join(f"{i % 5},{i % 3},{i % 2},{'ab'[i % 2]}\n" for i in range(120))

REVERSED = "".join(f"it is a text {i}\t{'ab'[i % 2]}\n" for i in range(120))
SORTED = "".join(f"{'en' if i < 3000 else 'de'}\ttext {i}\n" for i in range(6000))
WIDE = "id\tlabel\ttext\n" + "".join(f"{i}\t{i % 2}\ta {i}\n" for i in range(120))

VECTORS = "v1,v2,v3,text\n" + "".join(f"{i},{i % 7},{i % 3},a text {i} of {i % 7}\n" for i in range(120))

KINDS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "x.txt": (write_text, "text", "language-model"),
    "pairs.tsv": (write_pairs, "pairs", "translate"),
    "labels.tsv": (write_labelled, "labelled texts", "classify"),
    "reversed.tsv": (written(REVERSED), "labelled texts", "classify"),
    "sorted.tsv": (written(SORTED), "labelled texts", "classify"),
    "wide.tsv": (written(WIDE), "labelled texts", "classify"),
    "x.jsonl": (of_json(TEXTS), "labelled texts", "classify"),
    "x.parquet": (lambda path: pl.DataFrame(TEXTS).write_parquet(path), "labelled texts", "classify"),
    "tags.jsonl": (of_json(SENTENCES), "tagged sentences", "tag"),
    "x.conll": (write_sentences, "tagged sentences", "tag"),
    "numbers.csv": (written(DIGITS), "labelled numbers", "classify"),
    "x.ts": (write_series, "labelled numbers", "classify"),
    "steps.csv": (write_levels, "tagged numbers", "tag"),
    "steps.npz": (write_level_archive, "tagged numbers", "tag"),
    "series.csv": (written("date,sales\n" + MONTHS), "series", "forecast"),
    "series.arrow": (lambda path: SERIES.write_ipc(path), "series", "forecast"),
    "vectors.csv": (written(VECTORS), "described vectors", "describe"),
    "questions.txt": (written(": family\nman king woman queen\n" * 5), "analogies", ""),
    "rated.tsv": (written("cup\tmug\t9.5\nking\tcup\t1\n" * 5), "rated pairs", ""),
    "odd.csv": (written("a,b,c\nx y,z,1\nu,v w,2\n"), "table", ""),
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_folders_of_sounds_of_every_format_are_recordings(suffix: str, tmp_path: Path) -> None:
    for word in ("no", "yes"):
        (tmp_path / word).mkdir()
        (tmp_path / word / f"1{suffix}").write_bytes(b"not decoded")
    result = survey(str(tmp_path))
    assert result.facts["what it is"].startswith("recordings")
    assert result.facts["texts"].startswith("2 different: 'no' (1), 'yes' (1)")


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_data_are_recognised(name: str, tmp_path: Path) -> None:
    write, kind, task = KINDS[name]
    write(tmp_path / name)
    result = survey(str(tmp_path / name))
    assert result.facts["what it is"].startswith(f"{kind}: "), result
    if task:
        assert result.suggestion is not None
        assert result.suggestion.task == task
        assert set(result.suggestion.models) <= set(tasks[task].models())
        assert "split" in result.facts
    else:
        assert result.suggestion is None or not commands("x", result.suggestion)


def test_columns_of_the_suggestion(tmp_path: Path) -> None:
    KINDS["reversed.tsv"][0](tmp_path / "x y.tsv")
    result = survey(str(tmp_path / "x y.tsv"))
    assert result.suggestion is not None
    train, compare = (shlex.split(command) for command in commands("x y.tsv", result.suggestion))
    assert train[:6] == ["seqloom", "train", "classify", "x y.tsv", "--columns", "label=2,text=1"]
    assert compare[1:4] == ["compare", "classify", "x y.tsv"]


@pytest.mark.parametrize(("number", "few"), [(200, True), (1_200, False)])
def test_few_pairs_of_letters_get_other_stems(number: int, few: bool, tmp_path: Path) -> None:
    stems = [f"{'abcdefgh'[i % 8]}{'aeiou'[i % 5]}{'klmnpqrst'[i % 9]}{'aeiou'[i // 5 % 5]}" for i in range(number)]
    (tmp_path / "x.tsv").write_text("".join(f"N PL {' '.join(stem)}\t{' '.join(stem)} s\n" for stem in stems))
    suggestion = survey(str(tmp_path / "x.tsv")).suggestion
    assert suggestion is not None
    assert suggestion.task == "translate"
    assert ("data.hallucinate=0.8" in suggestion.options) == few


@pytest.mark.parametrize("words", [9, 4_000])
def test_few_pairs_of_words_keep_theirs(words: int, tmp_path: Path) -> None:
    """Many words are cut into subwords, for which training refuses the setting."""
    rows = [
        f"{text}\tplease {text}\n"
        for text in (" ".join(f"door{(7 * i + j) % words}" for j in range(7)) for i in range(800))
    ]
    (tmp_path / "x.tsv").write_text("".join(rows))
    result = survey(str(tmp_path / "x.tsv"))
    assert ("bpe" in result.facts["tokens"]) == (words > 9)
    assert result.suggestion is not None
    assert "data.hallucinate=0.8" not in result.suggestion.options


def test_other_columns_of_few_labels_are_offered(tmp_path: Path) -> None:
    """The second column, not the third, whose cells are all different."""
    path = tmp_path / "x.conll"
    path.write_text("".join(f"Ada NNP number{i} B-PER\nslept VBD number{-i - 1} O\n\n" for i in range(120)))
    others = survey(str(path)).facts["other columns"]
    assert others.startswith("2 (2 labels: NNP, VBD, ..)")
    assert "data.features=2," in others
    assert "data.auxiliary=2," in others
    path.write_text("Ada NNP B-PER\nslept O\n\n" * 120)
    assert "the lines differ in the number of columns" in survey(str(path)).wrong[0]
    path.write_text("Ada B-PER\nslept O\n\n" * 120)
    assert "other columns" not in survey(str(path)).facts


def test_sets_of_labels_and_numbers_have_their_option(tmp_path: Path) -> None:
    for write, options, facts in (
        (
            write_label_sets,
            ("--set", "target=labels"),
            {"labels": "3: ", "labels each": "in the mean, at most 3, none: "},
        ),
        (write_numbers, ("--set", "target=number"), {"numbers": "from "}),
    ):
        result = survey(write(tmp_path / "x.tsv"))
        assert result.facts["what it is"].startswith("labelled texts"), result.facts
        assert result.suggestion is not None
        assert result.suggestion.options == options
        assert all(part in result.facts[name] for name, part in facts.items()), result.facts
    rows = [{"labels": ["a", "b"][: i % 3], "text": f"text {i}"} for i in range(60)]
    of_json(rows)(tmp_path / "x.jsonl")
    result = survey(str(tmp_path / "x.jsonl"))
    assert result.facts["labels each"] == "1.0 in the mean, at most 2, none: 20"
    assert result.suggestion is not None
    assert result.suggestion.options == ()
    (tmp_path / "spelled.tsv").write_text("".join(f"{i}\tnumber {i}\n" for i in range(120)))
    assert survey(str(tmp_path / "spelled.tsv")).facts["what it is"].startswith("pairs")
    table = "text,warm,wet\n" + "".join(f"text {i},{i % 2},{int(i % 3 == 0)}\n" for i in range(60))
    (tmp_path / "x.csv").write_text(table)
    result = survey(str(tmp_path / "x.csv"), {"label": "warm+wet", "text": "text"})
    assert result.facts["labels"].startswith("2: warm (30), wet (20)")


def wrong(path: Path) -> str:
    return "\n".join(survey(str(path)).wrong)


def test_what_looks_wrong_with_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    rows = [("good", f"text {i}") for i in range(300)] + [("bad", "text 1"), ("bad", "text 2")]
    path.write_text("".join(f"{label}\t{text}\n" for label, text in rows))
    said = wrong(path)
    assert "texts that occur with different labels: 4 (1.3 %)" in said
    assert "labels that occur less than 10 times: 1 (bad)" in said
    assert "99 % of the labels are 'good'" in said


def test_what_looks_wrong_with_texts(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("cafe\u0301 again\n" * 150 + "\x07 bell\n" + "字" * 50 + "\n")
    said = wrong(path)
    for part in ("of the lines occur more than once", "NFC", "lines with control characters: 1"):
        assert part in said
    path.write_text("字" * 50 + "\n" + "语" * 60 + "\n")
    assert "100 % of the lines have no spaces" in wrong(path)
    assert "there are only 2 examples" in wrong(path)


def test_what_looks_wrong_with_pairs(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    rows = [(f"a house number {i}", f"ein Haus Nummer {i}") for i in range(120)]
    rows += [("the same text", "the same text")] * 30 + [("x " * 90, "y")]
    path.write_text("".join(f"{source.strip()}\t{target}\n" for source, target in rows))
    said = wrong(path)
    assert "targets equal to their source: 30" in said
    assert "far more than the others: 1; the first is number 151" in said


def test_what_cannot_be_read_is_part_of_the_survey(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("".join(f"a b {i}\tc d {i}\n" for i in range(10)) + "one column\n")
    result = survey(str(path))
    assert result.facts["examples"] == "10 pairs"
    assert "reading stops here" in result.wrong[0]
    assert f"{path}:11" in result.wrong[0]
    with pytest.raises(RequestError, match="does not exist"):
        survey(str(tmp_path / "none.txt"))


def test_encoding(tmp_path: Path) -> None:
    path = tmp_path / "x.txt.gz"
    path.write_bytes(gzip.compress("\ufeffé\r\n".encode() * 3))
    assert survey(str(path)).facts["encoding"] == (
        "UTF-8, with a byte order mark, lines end in CR LF, compressed (.gz)"
    )
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9\n")
    with pytest.raises(Exception, match="not UTF-8"):
        survey(str(latin))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_labelled(tmp_path / "x.tsv")
    cli = CommandLine(monkeypatch, capsys)
    outcome = cli("look", tmp_path / "x.tsv")
    assert outcome.status == 0, outcome.errors
    assert "labelled texts" in outcome.output
    assert f"seqloom train classify {tmp_path / 'x.tsv'} --model bow" in outcome.output
    assert all(len(line) <= 100 or "seqloom" in line for line in outcome.output.splitlines())
    report = json.loads(cli("look", tmp_path / "x.tsv", "--json").output)
    assert report["suggestion"]["task"] == "classify"
    assert cli("look", tmp_path / "none.tsv").status == 2


SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason=f"{SHARED_DATA} is not there")
@pytest.mark.slow
def test_all_shared_data_is_recognised() -> None:
    kinds = {
        "classify": "labelled", "g2p": "pairs", "image": "labelled", "morphology": "pairs", "tag": "tagged",
        "translate": "pairs", "speech": "recordings",
    }  # fmt: skip
    for folder, kind in kinds.items():
        for path in sorted((SHARED_DATA / folder).iterdir()):
            if path.suffix not in (".md", ".LICENSE"):
                assert survey(str(path)).facts["what it is"].startswith(kind), path


@pytest.mark.parametrize("name", ["x.conll", "x.txt", "x.tsv"])
def test_files_of_comments_or_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("# a\n\n# b c\n")
    assert survey(str(path)).facts
    path.write_text("\n\n \n")
    with pytest.raises(RequestError):
        survey(str(path))
