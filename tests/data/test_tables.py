"""Tables of every format give the same examples; columns are chosen by number or name, or recognised."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import polars as pl
import pytest

import seqloom
from seqloom.data.input_source import content_hash, files_of, path_of, paths_of
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.labelled import holds_numbers, labelled, unlabelled
from seqloom.data.readers.lines import input_lines, lines
from seqloom.data.readers.pairs import pairs, sources
from seqloom.data.readers.tagged import inputs_of, tagged
from seqloom.data.tables.columns import columns_text, parse_columns
from seqloom.errors import RequestError, SeqloomError, SeqloomWarning
from seqloom.run.plan import column_settings

ROWS = [("ein Hund", 'a "dog", barking', 1), ("zwei\nZeilen", "two lines", 2), ("drei", "three", 3)]
PAIRS = [('a "dog", barking', "ein Hund"), ("two lines", "zwei Zeilen"), ("three", "drei")]


def write_csv(path: Path, rows: list[tuple[Any, ...]], names: tuple[str, ...] = ()) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([names, *rows] if names else rows)
    return path


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_dataset(folder: Path, frame: pl.DataFrame, features: dict[str, Any] | None = None) -> Path:
    """What `datasets.Dataset.save_to_disk` leaves."""
    folder.mkdir(parents=True)
    frame.write_ipc_stream(folder / "data-00000-of-00001.arrow", compat_level=pl.CompatLevel.oldest())
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features or {}}))
    return folder


NAMED = [{"German": german, "English": english, "number": number} for german, english, number in ROWS]
WRITERS: dict[str, Callable[[Path], Path]] = {
    "csv": lambda folder: write_csv(folder / "x.csv", ROWS, ("German", "English", "number")),
    "jsonl": lambda folder: write_json_lines(folder / "x.jsonl", NAMED),
    "parquet": lambda folder: _written(pl.DataFrame(NAMED), folder / "x.parquet"),
    "dataset": lambda folder: write_dataset(folder / "saved", pl.DataFrame(NAMED)),
}


def _written(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_parquet(path)
    return path


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("columns", ["source=English,target=German", "source=2,target=1", "target=1,source=English"])
def test_columns_of_every_format(kind: str, columns: str, tmp_path: Path) -> None:
    if kind == "csv" and columns == "source=2,target=1":
        columns = "source=2,target=German"  # without a name, nothing says that the first row is a header
    path = str(WRITERS[kind](tmp_path))
    assert [tuple(pair) for pair in pairs(path, columns)] == PAIRS
    assert list(sources(path, columns)) == [source for source, _ in PAIRS]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_names_of_columns_are_recognised(suffix: str, tmp_path: Path) -> None:
    names = ("id", "target", "source")
    rows = [(1, "b", "a"), (2, "d", "c")]
    if suffix == "csv":
        path = write_csv(tmp_path / "x.csv", rows, names)
    else:
        path = write_json_lines(tmp_path / "x.jsonl", [dict(zip(names, row, strict=True)) for row in rows])
    assert [tuple(pair) for pair in pairs(str(path))] == [("a", "b"), ("c", "d")]


def test_nested_translations_are_recognised(tmp_path: Path) -> None:
    rows = [{"id": "0", "translation": {"en": "a b", "de": "c"}}]
    frame = pl.DataFrame(rows)
    for path in (
        write_json_lines(tmp_path / "x.jsonl", rows), _written(frame, tmp_path / "x.parquet"),
        write_dataset(tmp_path / "saved", frame),
    ):  # fmt: skip
        assert [tuple(pair) for pair in pairs(str(path))] == [("a b", "c")]


def test_two_columns_without_names_are_in_order(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", [("good", "a fine, long film"), ("bad", "dull")])
    assert [(e.label, e.source) for e in labelled(str(path))] == [("good", "a fine, long film"), ("bad", "dull")]
    semicolons = tmp_path / "y.csv"
    semicolons.write_text('a b;"c; d"\n')
    assert [tuple(pair) for pair in pairs(str(semicolons))] == [("a b", "c; d")]


def test_tsv_keeps_quotes_that_are_text(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text('number\tsource\ttarget\n1\t"so" he said\t"a ""b"""\n2\t"Hi," she said, "you"\tb\n')
    assert [tuple(pair) for pair in pairs(str(path))] == [('"so" he said', 'a "b"'), ('"Hi," she said, "you"', "b")]
    path.write_text('"x" y\t"z"\n')  # two columns and no header: as it stands
    assert [tuple(pair) for pair in pairs(str(path))] == [('"x" y', '"z"')]


def test_empty_cells_are_skipped_with_one_warning(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", [("a", "b"), ("", "c"), ("d", ""), ("e", "f")], ("source", "target"))
    with pytest.warns(SeqloomWarning, match="2 rows are skipped: the source is empty") as caught:
        assert [tuple(pair) for pair in pairs(str(path))] == [("a", "b"), ("e", "f")]
    assert len(caught) == 1
    assert f"{path}:3" in str(caught[0].message)
    assert list(sources(str(path))) == ["a", "", "d", "e"]  # an answer for each row


def test_texts_of_a_table(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", [(1, "first\nline"), (2, "second")], ("id", "text"))
    assert list(lines(str(path))) == list(input_lines(str(path))) == ["first line", "second"]
    plain = tmp_path / "x.tsv"
    plain.write_text("1\tone\n2\ttwo\n")
    assert list(lines(str(plain), "text=2")) == ["one", "two"]
    assert list(lines(str(plain))) == ["1\tone", "2\ttwo"]


def test_labels_of_texts_and_numbers(tmp_path: Path) -> None:
    texts = [{"text": "fine film", "label": 1}, {"text": "dull", "label": 0}]
    names = {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}}
    saved = write_dataset(tmp_path / "saved", pl.DataFrame(texts), names)
    assert [tuple(e) for e in labelled(str(saved))] == [("good", "fine film"), ("bad", "dull")]
    assert list(unlabelled(str(saved))) == ["fine film", "dull"]
    assert not holds_numbers(str(saved))
    numbers = _written(pl.DataFrame({"x": [1.0, 2.0], "y": [3, 4], "label": ["a", "b"]}), tmp_path / "n.parquet")
    assert holds_numbers(str(numbers))
    first, second = labelled(str(numbers))
    assert (first.label, second.label) == ("a", "b")
    assert first.source.tolist() == [[1, 3]]  # type: ignore[union-attr]


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    for name, text in (("neg/1", "dull\nfilm"), ("pos/1", "fine"), ("pos/2", "great")):
        path = tmp_path / "reviews" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder = str(tmp_path / "reviews")
    assert files_of(folder) == [folder]
    assert [tuple(e) for e in labelled(folder)] == [("neg", "dull film"), ("pos", "fine"), ("pos", "great")]


@pytest.mark.parametrize("form", ["lists", "texts", "words"])
def test_tags_of_a_table(form: str, tmp_path: Path) -> None:
    sentences = [(("Ada", "went"), ("B-PER", "O")), (("Home",), ("O",))]
    if form == "lists":
        rows = [{"tokens": list(words), "ner_tags": list(tags)} for words, tags in sentences]
        path = write_json_lines(tmp_path / "x.jsonl", rows)
    elif form == "texts":
        path = write_csv(tmp_path / "x.csv", [(" ".join(w), " ".join(t)) for w, t in sentences], ("words", "tags"))
    else:
        rows_of_words = [("Sentence: 1", "Ada", "B-PER"), ("", "went", "O"), ("Sentence: 2", "Home", "O")]
        path = write_csv(tmp_path / "x.csv", rows_of_words, ("Sentence #", "Word", "Tag"))
    assert [(sentence.words, sentence.tags) for sentence in tagged(str(path))] == sentences
    assert list(inputs_of(str(path))) == [words for words, _ in sentences]


def test_columns_of_conll(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    path.write_text("1 Ada NNP B-PER\n2 went VBD O\n")
    assert list(tagged(str(path), columns="word=2,tag=3")) == [Sentence(("Ada", "went"), ("NNP", "VBD"))]
    with pytest.raises(RequestError, match="chosen by number"):
        list(tagged(str(path), columns="word=form"))


@pytest.mark.parametrize(
    ("name", "content", "columns", "says"),
    [
        ("x.csv", "a,b,c\n1,2,3\n", "source=a,target=d", "no column named 'd'"),
        ("x.csv", "a,b,c\n1,2,3\n", "source=1,target=4", "there is no column 4"),
        ("x.csv", "a,b,c\n1,2,3\n", "", "not clear which column is the source"),
        ("x.csv", "a,b\n1,2\n", "sauce=1", "did you mean 'source'"),
        ("x.csv", 'a,b\n"c,d\n', "", "could not be read as CSV"),
        ("x.csv", "source,target,x\na,b,c\nd\n", "", "too few columns"),
        ("x.jsonl", '{"source": "a", "target": "b"}\n[1]\n', "", "not a JSON object"),
        ("x.jsonl", '{"source": "a", "target": "b"}\n{"source"\n', "", "not JSON"),
        ("x.jsonl", '{"english": "a", "x": "b"}\n', "", "not clear which column is the target"),
        ("x.parquet", "PAR1", "", "table could not be read"),
        ("x.tsv", "a\tb\tc\n", "", "--columns source=1,target=2"),
        ("x.csv", "a,b\n", "source", "chosen as role=column"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, content: str, columns: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SeqloomError) as caught:
        list(pairs(str(path), columns))
    assert says in str(caught.value)
    assert str(path) in str(caught.value) or caught.value.where == "columns"


def test_several_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "inner/c.txt", ".hidden.txt", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    expected = [str(tmp_path / name) for name in ("a.txt", "b.txt", "inner/c.txt")]
    assert files_of(str(tmp_path)) == expected
    assert files_of(str(tmp_path / "*.txt")) == expected[:2]
    assert files_of(",".join(expected)) == expected
    assert files_of("copy:bits=4,length=2") == ["copy:bits=4,length=2"]
    before = content_hash(str(tmp_path))
    (tmp_path / "b.txt").write_text("other")
    assert content_hash(str(tmp_path)) != before
    for wrong, says in ((tmp_path / "*.csv", "no file matches"), (tmp_path / "empty", "no data files")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(RequestError, match=says):
            files_of(str(wrong))


def test_splits_of_a_saved_dataset(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["a", "b"]})
    for split in ("train", "validation", "test"):
        write_dataset(tmp_path / "all" / split, frame)
    (tmp_path / "all" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation", "test"]}))
    folder = str(tmp_path / "all")
    expected = tuple(str(tmp_path / "all" / split) for split in ("train", "validation", "test"))
    assert paths_of(folder, None, None, tmp_path) == expected
    assert paths_of(folder, "other.txt", None, tmp_path) == (expected[0], "other.txt", expected[2])


def test_rows_from_python(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from NAMED

    frame = pl.DataFrame(NAMED)
    for data in (rows(), NAMED, frame, frame.to_pandas(use_pyarrow_extension_array=False) if _has_pandas() else frame):
        path = path_of(data, tmp_path)
        assert [tuple(pair) for pair in pairs(path, "source=English,target=German")] == PAIRS
    with pytest.raises(RequestError, match="not several by name"):
        path_of({"train": NAMED}, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="cannot be read"):
        path_of([{"text": object()}], tmp_path)


def _has_pandas() -> bool:
    try:
        import pandas  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def test_roles_of_each_task() -> None:
    assert column_settings("translate", {"source": 3, "target": "de"}) == {"data.columns": "source=3,target=de"}
    assert column_settings("vectors", {"text": 2}) == {"columns": "text=2"}
    assert column_settings("forecast", {"time": "ds", "target": "y"}) == {"data.time": "ds", "data.target": ["y"]}
    with pytest.raises(RequestError, match="did you mean 'target'"):
        column_settings("forecast", {"targets": 1})


names = st.text(st.characters(blacklist_characters=",=\n", blacklist_categories=("Cs", "Cc")), min_size=1).map(
    str.strip
)


@hypothesis.given(st.dictionaries(names.filter(bool), names.filter(bool), max_size=3))
def test_columns_are_written_and_parsed(columns: dict[str, str]) -> None:
    assert parse_columns(columns_text(columns)) == columns


def test_a_run_remembers_its_columns(tmp_path: Path) -> None:
    rows = [{"kind": f"k{i % 2}", "note": f"{['red', 'green'][i % 2]} w{i}", "id": i} for i in range(40)]
    path = write_json_lines(tmp_path / "x.jsonl", rows)
    run = seqloom.train(
        "classify", path, model="bow", updates=2, out=tmp_path / "run", quiet=True, columns={"label": "kind", "text": 2}
    )
    again = seqloom.load(run.folder)
    assert again.plan.settings.data.columns == "label=kind,text=2"  # type: ignore[attr-defined]
    assert again.evaluate(path)["examples"] == 40
    assert list(again.inputs(str(path)))[:2] == ["red w0", "green w1"]
    other = write_csv(tmp_path / "other.csv", [("k0", "red w0")], ("team", "message"))
    columns = {"label": "team", "text": "message"}
    assert again.evaluate(again.read(other, columns))["examples"] == 1
    assert list(again.inputs(str(other), columns)) == ["red w0"]
    (tmp_path / "lines.txt").write_text("red w1\n")
    assert list(again.inputs(str(tmp_path / "lines.txt"))) == ["red w1"]
