"""`seqloom predict --online` and `seqloom evaluate` for runs of `transcribe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.metrics.transcription import TranscriptScores
    from seqloom.run import Run
    from seqloom_portable.listening import Heard


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
    from seqloom.errors import RequestError
    from seqloom_portable.errors import PortableError
    from seqloom_portable.sound_stream import SoundStream

    try:
        sound = SoundStream(stream, rate or loaded.codec.features.rate)
    except PortableError as error:
        raise RequestError(str(error), where="--online") from None
    listener, shown = loaded.listen(sound.rate), ""
    for samples in sound:
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
