"""`seqloom predict --online` and `seqloom evaluate` for runs of `transcribe`."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import typer

from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.data.sound.sound_file import Samples
    from seqloom.decoding.transcription.listening import Heard
    from seqloom.metrics.transcription import TranscriptScores
    from seqloom.run import Run

_BYTES_AT_ONCE = 3_200
"""A fifth of a second at 8 kHz, a tenth at 16 kHz."""


def print_online(loaded: Run, file: str, rate: int, json: bool) -> None:
    """Prints each utterance when it has ended, and at a terminal the words so far; `json`: those too, with times. The
    sound is a WAV stream, or 16-bit samples of one channel at `rate`."""
    from seqloom.files import STANDARD_INPUT, reading

    if file == STANDARD_INPUT:
        _print_stream(loaded, sys.stdin.buffer, rate, json)
        return
    with reading(file), Path(file).open("rb") as stream:
        _print_stream(loaded, stream, rate, json)


def _print_stream(loaded: Run, stream: BinaryIO, rate: int, json: bool) -> None:
    rate, channels, first = _format(stream, rate or loaded.codec.features.rate)
    listener, shown = loaded.listen(rate), ""
    for samples in _samples(stream, channels, first):
        shown = _print_heard(listener.push(samples), shown, json)
    _print_heard(listener.finish(), shown, json)


def _print_heard(heard: Heard, shown: str, json: bool) -> str:
    """Prints what was heard; `shown` are the words so far that were shown last, returned as they are now."""
    for transcript in heard.utterances:
        if sys.stderr.isatty() and not json:
            print("\r" + " " * len(shown) + "\r", end="", file=sys.stderr, flush=True)
        typer.echo(to_json(transcript.to_json()) if json else transcript.text)
    if heard.partial != shown:
        if json and heard.partial:
            typer.echo(to_json({"partial": heard.partial}))
        elif sys.stderr.isatty() and not json:
            print("\r" + heard.partial.ljust(len(shown)), end="", file=sys.stderr, flush=True)
    sys.stdout.flush()
    return heard.partial


def _format(stream: BinaryIO, rate: int) -> tuple[int, int, bytes]:
    """The rate and the channels of a stream, and what was read of its samples. Raises RequestError for a WAV stream of
    other than 16-bit samples."""
    from seqloom.errors import RequestError

    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return rate, 1, head
    channels = 1
    while len(chunk := stream.read(8)) == 8:
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            break
        content = stream.read(size + size % 2)
        if name == b"fmt " and len(content) >= 16:
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
            if (kind not in (1, 0xFFFE)) or bits != 16 or not channels:
                raise RequestError(
                    "the stream is not of 16-bit samples", where="--online", got=f"format {kind}, {bits} bits"
                )
    return rate, channels, b""


def _samples(stream: BinaryIO, channels: int, first: bytes) -> Iterator[Samples]:
    """The samples as they come, channels averaged."""
    width, left_over = 2 * channels, first
    read: Any = getattr(stream, "read1", stream.read)
    while part := read(_BYTES_AT_ONCE):
        content = left_over + part
        num_bytes = len(content) - len(content) % width
        left_over = content[num_bytes:]
        frames = np.frombuffer(content[:num_bytes], "<i2").reshape(-1, channels)
        yield (frames.mean(1) / 32_768).astype(np.float32)


def write_report(loaded: Run, data: Any, path: Path, figures: Path | None, name: str) -> None:
    """Writes the page of the worst recordings."""
    from seqloom.explain.transcripts_page import transcripts_page

    about = f"{loaded.plan.task} · {name} · run {loaded.folder.resolve().name}"
    page = transcripts_page(loaded.study_transcripts(data), f"What {loaded.plan.model} mishears", about)
    page.write(path, figures)
    print(f"report: {path}", file=sys.stderr)


def print_groups(groups: dict[str, list[TranscriptScores]], by: str, json: bool) -> None:
    """Prints a table of scores by length or by speaker."""
    from seqloom.errors import RequestError, unknown_name
    from seqloom.formats.number_table import print_table

    if by not in groups:
        raise unknown_name("kind of group", by, groups, where="--by")
    if not groups[by]:
        raise RequestError(
            f"the data does not tell the {by} of a recording", where="--by", expected=f"a column named {by}"
        )
    rows = [row._asdict() for row in groups[by]]
    if json:
        typer.echo(to_json(rows))
    else:
        print_table(rows, sys.stdout)
