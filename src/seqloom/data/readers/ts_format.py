"""Labelled time series in the `.ts` format of the UEA and UCR archives (timeseriesclassification.com)."""

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
    """The lines above `@data`: whether cases have labels, the labels (empty if they are not listed), the number of
    channels (0: not stated), and whether all cases have the same number of steps."""

    labelled: bool
    labels: tuple[str, ...]
    dimensions: int
    equal_length: bool


@readers.register("ts-format", "Labelled time series in the .ts format of the UEA and UCR archives.")
def time_series(path: str) -> Iterator[Labelled]:
    """Comments (`#`), a header (`@`), then a case a line: channels separated by `:`, the class label last.

    Cases may differ in length, unless the header says otherwise. Missing values (`?`) are interpolated linearly; those
    before the first and after the last known value are set to it. Raises SeqloomError with `file:line`.
    """
    for label, frames in cases(path):
        if label is None:
            raise SeqloomError("the series have no labels", where=path, expected="@classLabel true and the labels")
        yield Labelled(label, frames)


def cases(path: str) -> Iterator[tuple[str | None, Frames]]:
    """Yields the label of each case (None if the file has no labels) and its numbers."""
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
    entries: dict[str, list[str]] = {}
    number = 0
    for number, line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name = words[0].lower()
        if not name.startswith("@"):
            where = f"{path}:{number}"
            raise SeqloomError(
                "this is not a header line",
                where=where,
                got=words[0][:40],
                expected="a line that begins with # or @, the last of them @data",
            )
        if name == "@data":
            return _checked(entries, path)
        entries[name] = words[1:]
        if name == "@timestamps" and _is_true(entries, name):
            raise SeqloomError(
                "series with time stamps are not supported",
                where=f"{path}:{number}",
                got=line.strip(),
                expected="@timeStamps false: values at equal intervals",
            )
    raise SeqloomError(
        "the header does not end", where=f"{path}:{number}", expected="a line @data followed by the cases"
    )


def _is_true(entries: dict[str, list[str]], name: str) -> bool:
    return [word.lower() for word in entries.get(name, [])[:1]] == ["true"]


def _checked(entries: dict[str, list[str]], path: str) -> Header:
    dimensions = entries.get("@dimensions", ["1" if _is_true(entries, "@univariate") else "0"])
    if len(dimensions) != 1 or not re.fullmatch("[0-9]{1,9}", dimensions[0]):
        raise SeqloomError("@dimensions is not a number", where=path, got=" ".join(dimensions), expected="1 or more")
    labelled = _is_true(entries, "@classlabel")
    labels = tuple(entries["@classlabel"][1:]) if labelled else ()
    return Header(labelled, labels, int(dimensions[0]), _is_true(entries, "@equallength"))


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
            expected="the same number of values in each",
        )
    return label, np.stack(values, axis=1).astype(np.float32)


def _channel(text: str, where: str) -> NDArray[np.float64]:
    cells = [cell.strip() for cell in text.split(",")]
    missing = np.array([cell.lower() in _MISSING for cell in cells])
    if not missing.any():
        return parse_numbers(cells, where)
    if missing.all():
        raise SeqloomError("all values of a channel are missing", where=where, got=text[:40])
    known = parse_numbers([cell for cell, gone in zip(cells, missing, strict=True) if not gone], where)
    return np.interp(np.arange(len(cells)), np.flatnonzero(~missing), known)
