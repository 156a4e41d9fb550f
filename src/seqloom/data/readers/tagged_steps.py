"""Sequences of numbers with a tag for each step: tables whose rows are steps, and NumPy archives."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from seqloom.data.example import Frames
from seqloom.data.frames import is_number
from seqloom.data.input_source import files_of, is_table, suffix_of
from seqloom.data.readers import readers
from seqloom.data.readers.archive import Arrays, read_archive, sequences
from seqloom.data.readers.header_row import LABEL_NAMES, TAG_NAMES, WORD_NAMES
from seqloom.data.readers.table import SERIES_NAMES, sequences_of
from seqloom.data.readers.ts_format import cases
from seqloom.data.tables.columns import only_column, parse_columns
from seqloom.data.tables.formats import open_table
from seqloom.errors import SeqloomError

STEP_TAG_NAMES = TAG_NAMES | LABEL_NAMES
EXPECTED_STEPS = "an .npz archive, or a table of numbers with a column of tags"
_HEAD = 20
"""Rows that tell whether a table holds numbers."""


class TaggedSteps(NamedTuple):
    """`frames`: (steps, channels); `tags`: one for each step."""

    frames: Frames
    tags: tuple[str, ...]


@readers.register("tagged-steps", "Sequences of numbers with a tag for each step: tables, .npz.")
def tagged_steps(path: str, columns: str = "") -> Iterator[TaggedSteps]:
    """Yields the sequences of a file whose name says its format.

    The rows of a table are steps. The tag is in the chosen column (`columns`: see `parse_columns`), else in one named
    tag, label, class or the like, else in the last one; the others are numbers. With a column named id, series or
    sequence, the rows that follow each other with one name are one sequence, otherwise all rows are. A NumPy archive
    (`.npz`) has `vectors`, (examples, steps, channels), `tags`, (examples, steps), texts or whole numbers, and with
    `lengths` the steps of each. Raises SeqloomError with `file:line`.
    """
    tag = only_column(path, columns, "tag")
    if suffix_of(path) == ".npz":
        yield from _of_archive(path)
        return
    if suffix_of(path) == ".ts":
        raise SeqloomError(
            "a .ts file has one label for each sequence", where=path, expected="a table with a tag in each row, or "
            ".npz with `vectors` and `tags`", hint="seqloom train classify predicts one label for a sequence",
        )  # fmt: skip
    for places, rows, frames in sequences_of(path, True, STEP_TAG_NAMES, tag, as_one=True):
        assert places.label is not None
        tags = tuple(row.cells[places.label].strip() for row in rows)
        if "" in tags:
            raise SeqloomError("a step has no tag", where=rows[tags.index("")].where, expected="a tag in every row")
        yield TaggedSteps(frames, tags)


def untagged_steps(path: str, columns: str = "") -> Iterator[Frames]:
    """The numbers of such a file, or of a `.ts` file, without the tags that it may have."""
    tag = only_column(path, columns, "tag")
    if suffix_of(path) == ".npz":
        yield from sequences(read_archive(path), path)
    elif suffix_of(path) == ".ts":
        yield from (frames for _, frames in cases(path))
    else:
        yield from (frames for _, _, frames in sequences_of(path, False, STEP_TAG_NAMES, tag, as_one=True))


def holds_steps(path: str, columns: str = "") -> bool:
    """Whether a file holds sequences of numbers, not words: by its name, or by the first rows of a table, in which all
    cells but the tag and the name of the sequence are numbers, and no column is named as that of words."""
    file = files_of(path)[0]
    if suffix_of(file) in (".npz", ".ts"):
        return True
    if "word" in parse_columns(columns) or not is_table(file) or not Path(file).exists():
        return False
    table = open_table(file)
    head = [[str(cell) for cell in row.cells] for row in itertools.islice(table.rows, _HEAD)]
    names = [name.lower() for name in table.names or (head[0] if head else ())]
    body = head if table.names or len(head) < 2 or _are_numbers(head[0], 1) else head[1:]
    others = 1 + any(name in SERIES_NAMES for name in names)
    return not WORD_NAMES & set(names) and bool(body) and all(_are_numbers(cells, others) for cells in body)


def holds_tags(path: str) -> bool:
    """Whether a NumPy archive has tags of steps."""
    arrays = read_archive(path)
    return "tags" in arrays or getattr(arrays.get("labels"), "ndim", 1) == 2


def tags_differ_within(path: str) -> bool:
    """Whether a sequence of the first ones of a table has different tags: a column says which rows are a sequence."""
    with contextlib.suppress(SeqloomError):  # who reads the table says what is wrong
        for places, rows, _ in itertools.islice(sequences_of(path, True, STEP_TAG_NAMES, ""), _HEAD):
            if places.label is not None and len({row.cells[places.label] for row in rows}) > 1:
                return True
    return False


def _are_numbers(cells: list[str], others: int) -> bool:
    """Whether at most so many `others` are no numbers, and some are."""
    numbers = sum(map(is_number, cells))
    return 0 < numbers >= len(cells) - others


def _of_archive(path: str) -> Iterator[TaggedSteps]:
    arrays = read_archive(path)
    tags = _tags(arrays, path)
    for number, frames in enumerate(sequences(arrays, path)):
        row = tuple(map(str, tags[number, : len(frames)]))
        if "" in row:
            where = f"{path}, example {number + 1}, step {row.index('') + 1}"
            raise SeqloomError("a step has no tag", where=where, expected="a tag for every step")
        yield TaggedSteps(frames, row)


def _tags(arrays: Arrays, path: str) -> NDArray[Any]:
    tags, vectors = arrays.get("tags", arrays.get("labels")), arrays.get("vectors")
    if tags is None:
        got = ", ".join(sorted(arrays)) or "nothing"
        raise SeqloomError("the archive has no tags", where=path, got=got, expected="`tags`, (examples, steps)")
    if vectors is not None and (tags.shape != vectors.shape[:2] or vectors.ndim != 3 or tags.dtype.kind not in "Uiub"):
        raise SeqloomError(
            "vectors and tags do not belong together", where=path,
            got=f"vectors {vectors.shape}, tags {tags.shape} of {tags.dtype}",
            expected="vectors (examples, steps, channels), and a text or whole number for each example and step",
        )  # fmt: skip
    return tags
