"""Folders that are one table: a dataset that the library `datasets` saved, or a folder of texts for each label."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqloom.data.tables.columnar import read_columnar, rows_of
from seqloom.data.tables.table import Table, TableRow
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines

_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"


def is_one_table(folder: str) -> bool:
    return (Path(folder) / _STATE).exists() or is_label_folder(Path(folder))


def is_label_folder(folder: Path) -> bool:
    """Whether the folder has only subfolders, at least two, with `.txt` files: a folder for each label."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    folders = [entry for entry in entries if entry.is_dir()]
    return len(folders) > 1 and len(folders) == len(entries) and all(any(f.glob("*.txt")) for f in folders)


def saved_splits(folder: str) -> dict[str, str]:
    """The splits of a saved `DatasetDict` by the roles `data`, `valid` and `test`; empty for any other path."""
    path = Path(folder) / _SPLITS
    if not path.is_file():
        return {}
    try:
        names = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))["splits"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SeqloomError("the dataset could not be read", where=str(path), got=repr(error)) from None
    roles = {"data": ("train",), "valid": ("validation", "valid", "dev"), "test": ("test",)}
    paths = {role: next((n for n in choices if n in names), None) for role, choices in roles.items()}
    if paths["data"] is None:
        raise RequestError(
            "the dataset has no split train", where=folder, got=", ".join(names), hint="name one of them"
        )
    return {role: str(Path(folder) / name) for role, name in paths.items() if name is not None}


def folder_table(folder: str) -> Table:
    """The table of a dataset that `datasets.save_to_disk` wrote, or of a folder of texts for each label."""
    if (Path(folder) / _STATE).exists():
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
        state = json.loads((Path(folder) / _STATE).read_text(encoding="utf-8"))
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
