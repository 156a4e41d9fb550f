"""Folders that are one table: a dataset that the library `datasets` saved, or a folder of texts for each label."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqloom.data.input_source import DATASET_STATE, is_label_folder
from seqloom.data.tables.columnar import rows_of
from seqloom.data.tables.columnar_file import read_columnar
from seqloom.data.tables.table import Table, TableRow
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines

_INFO = "dataset_info.json"


def folder_table(folder: str) -> Table:
    """The table of a dataset that `datasets.save_to_disk` wrote, or of a folder of texts for each label."""
    if (Path(folder) / DATASET_STATE).exists():
        return _dataset_table(folder)
    if is_label_folder(Path(folder)):
        return Table(folder, ("label", "text"), _labelled_texts(Path(folder)))
    raise RequestError(
        "the folder is not a table",
        where=folder,
        expected="a dataset saved to disk, or a folder of .txt files per label",
    )


def _labelled_texts(folder: Path) -> Iterator[TableRow]:
    """Yields the label and the text of each file, in the order of their names."""
    for path in sorted(folder.glob("*/*.txt")):
        yield TableRow(str(path), [path.parent.name, " ".join(read_lines(path))])


def _dataset_table(folder: str) -> Table:
    try:
        state = json.loads((Path(folder) / DATASET_STATE).read_text(encoding="utf-8"))
        files = [str(Path(folder) / part["filename"]) for part in state["_data_files"]]
        info = json.loads((Path(folder) / _INFO).read_text(encoding="utf-8"))
        features: dict[str, Any] = info.get("features") or {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SeqloomError("the dataset could not be read", where=folder, got=repr(error)) from None
    if state.get("_indices_data_files"):
        raise RequestError(
            "the dataset is a selection of rows of another", where=folder, hint="save it after flatten_indices()"
        )
    class_names = {name: names for name, feature in features.items() if (names := _class_names(feature))}
    frames = [(path, read_columnar(path)) for path in files]
    rows = (row for path, frame in frames for row in rows_of(frame, path, class_names))
    return Table(folder, tuple(frames[0][1].columns) if frames else (), rows)


def _class_names(feature: Any) -> list[str]:
    """The names of a `ClassLabel`, or of the elements of a list of them."""
    while isinstance(feature, list | dict):
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            return [str(name) for name in feature.get("names", [])]
        feature = (
            feature[0]
            if isinstance(feature, list) and feature
            else feature.get("feature")
            if isinstance(feature, dict)
            else None
        )
    return []
