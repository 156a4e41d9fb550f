"""Time series for classification in the archives' `.ts` format (timeseriesclassification.com)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.example import Frames, Labelled
from seqloom.data.frames import parse_numbers
from seqloom.data.readers import readers
from seqloom.errors import SeqloomError
from seqloom.files import read_lines

_MISSING = {"?", "nan"}


class Header(NamedTuple):
    """What stands above `@data`: the class labels (empty where they are not listed), how many channels a case has (0:
    not said), and whether all cases have as many steps."""

    labelled: bool
    labels: tuple[str, ...]
    dimensions: int
    equal_length: bool


@readers.register("time-series", "Labelled time series in the .ts format of the UEA and UCR archives.")
def time_series(path: str) -> Iterator[Labelled]:
    """Comments (`#`), a header (`@`), then a case a line: channels separated by `:`, the class label last.

    Lengths may differ from case to case, unless the header says otherwise. Missing values (`?`) are interpolated
    linearly; before the first and after the last known value they are equal to it. Raises SeqloomError with
    `file:line`.
    """
    for label, frames in cases(path):
        if label is None:
            raise SeqloomError("the series have no labels", where=path, expected="@classLabel true and the labels")
        yield Labelled(label, frames)


def cases(path: str) -> Iterator[tuple[str | None, Frames]]:
    """The label of each case, None where the file has none, and its numbers."""
    lines = enumerate(read_lines(path), 1)
    header = _header(lines, path)
    channels, steps = header.dimensions, 0
    for number, line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            label, frames = _case(text, header, f"{path}:{number}")
            channels = channels or frames.shape[1]
            if frames.shape[1] != channels:
                raise SeqloomError(
                    "a case has another number of channels",
                    where=f"{path}:{number}",
                    got=frames.shape[1],
                    expected=f"{channels}, as {'@dimensions says' if header.dimensions else 'the first has'}",
                )
            steps = steps or len(frames)
            if header.equal_length and len(frames) != steps:
                raise SeqloomError(
                    "a case has another length, and @equalLength is true",
                    where=f"{path}:{number}",
                    got=f"{len(frames)} steps",
                    expected=f"{steps}, as the first has",
                )
            yield label, frames


def _header(lines: Iterator[tuple[int, str]], path: str) -> Header:
    said: dict[str, list[str]] = {}
    number = 0
    for number, line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name = words[0].lower()
        if not name.startswith("@"):
            where = f"{path}:{number}"
            raise SeqloomError(
                "this is not a line of a header", where=where, got=words[0][:40], expected="# or @, and @data last"
            )
        if name == "@data":
            return _checked(said, path)
        said[name] = words[1:]
        if name == "@timestamps" and _is_true(said, name):
            raise SeqloomError(
                "series with time stamps are not read",
                where=f"{path}:{number}",
                got=line.strip(),
                expected="@timeStamps false: values at equal distances",
            )
    raise SeqloomError("the header has no end", where=f"{path}:{number}", expected="a line @data, and cases after it")


def _is_true(said: dict[str, list[str]], name: str) -> bool:
    return [word.lower() for word in said.get(name, [])[:1]] == ["true"]


def _checked(said: dict[str, list[str]], path: str) -> Header:
    dimensions = said.get("@dimensions", ["1" if _is_true(said, "@univariate") else "0"])
    if len(dimensions) != 1 or not re.fullmatch("[0-9]{1,9}", dimensions[0]):
        raise SeqloomError("@dimensions is not a number", where=path, got=" ".join(dimensions), expected="1 or more")
    labelled = _is_true(said, "@classlabel")
    labels = tuple(said["@classlabel"][1:]) if labelled else ()
    return Header(labelled, labels, int(dimensions[0]), _is_true(said, "@equallength"))


def _case(line: str, header: Header, where: str) -> tuple[str | None, Frames]:
    channels = line.split(":")
    label = channels.pop().strip() if header.labelled else None
    if label == "" or not channels:
        raise SeqloomError("a case has no label", where=where, expected="channels separated by colons, the label last")
    if label is not None and header.labels and label not in header.labels:
        near = difflib.get_close_matches(label, header.labels, n=1)
        raise SeqloomError(
            "a label is not among those of @classLabel",
            where=where,
            got=repr(label[:40]),
            expected=", ".join(header.labels),
            hint=f"did you mean {near[0]!r}?" if near else None,
        )
    values = [_channel(channel, where) for channel in channels]
    lengths = sorted({len(channel) for channel in values})
    if len(lengths) > 1:
        raise SeqloomError(
            "the channels of a case differ in length",
            where=where,
            got=f"{lengths[0]} to {lengths[-1]} values",
            expected="as many values in each",
        )
    return label, np.stack(values, axis=1).astype(np.float32)


def _channel(text: str, where: str) -> NDArray[np.float64]:
    cells = [cell.strip() for cell in text.split(",")]
    missing = np.array([cell.lower() in _MISSING for cell in cells])
    if not missing.any():
        return parse_numbers(cells, where)
    if missing.all():
        raise SeqloomError("a channel has no value at all", where=where, got=text[:40])
    known = parse_numbers([cell for cell, gone in zip(cells, missing, strict=True) if not gone], where)
    return np.interp(np.arange(len(cells)), np.flatnonzero(~missing), known)
