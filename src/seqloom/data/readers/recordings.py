"""Recordings with their texts: a manifest (CSV, TSV, JSON Lines), a folder, or a zip archive of either."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from seqloom.data.input_source import suffix_of
from seqloom.data.readers import readers
from seqloom.data.sound.sound_file import SUFFIXES, SoundFile, open_zip
from seqloom.data.tables.delimited import comma_rows, tab_rows
from seqloom.data.tables.json_lines import json_objects
from seqloom.data.tables.table import TableRow, of_one_width
from seqloom.errors import SeqloomError
from seqloom.files import ZIP_ERRORS, read_lines, reading

PATH_NAMES = (
    "path",
    "file",
    "filename",
    "file_name",
    "audio",
    "audio_path",
    "audio_filepath",
    "sound",
    "wav",
    "recording",
)
TEXT_NAMES = ("text", "sentence", "transcript", "transcription", "word", "words", "label", "utterance")
SPEAKER_NAMES = ("speaker", "speaker_id", "client_id", "voice", "singer", "individual")
MANIFESTS = ("manifest", "metadata", "transcripts", "transcript", "index")

_MANIFEST_SUFFIXES = (".tsv", ".csv", ".jsonl")
_NO_WORDS = ("_background_noise_", "_silence_", "_noise_")
"""Folders of recordings without words, as some collections of commands have them."""


class Recording(NamedTuple):
    """`text` is empty where nothing is said; `speaker` where it is not known."""

    sound: SoundFile
    text: str
    speaker: str = ""


class _Place(NamedTuple):
    """Where the files of a manifest are: a folder, or a zip archive, and the folder in it."""

    folder: str
    archive: str = ""

    def sound(self, name: str, where: str) -> SoundFile:
        if self.archive:
            return SoundFile(self.archive, str(PurePosixPath(self.folder, name)), where)
        path = Path(self.folder, name)
        with contextlib.suppress(OSError):  # a name that is too long is reported when the sound is read
            if not path.exists() and (beside := Path(self.folder, "clips", name)).exists():
                path = beside  # where Common Voice has them
        return SoundFile(str(path), "", where)


@readers.register("recordings", "Recordings and their texts: a manifest, a folder or a zip archive.")
def recordings(path: str) -> Iterator[Recording]:
    """Yields the recordings of `path`.

    A manifest has a recording a line: path, text and, where it is known, speaker, separated by commas (`.csv`) or tabs,
    or JSON objects (`.jsonl`); a first row may name the columns. Paths are relative to the manifest. A folder or a zip
    archive holds a manifest, or sounds with a `.txt` of the same name beside each, or a folder of sounds for each word.
    No sound is read. Raises SeqloomError with `file:line`.
    """
    yield from _listed(path, needs_text=True)


def unlabelled_recordings(path: str) -> Iterator[SoundFile]:
    """The recordings to transcribe: of a sound file that one, else those of a manifest (which may have paths alone), a
    folder or a zip archive."""
    if _is_sound(path):
        yield SoundFile(path, "", path)
    else:
        yield from (recording.sound for recording in _listed(path, needs_text=False))


def _listed(path: str, needs_text: bool) -> Iterator[Recording]:
    if path.lower().endswith(".zip"):
        yield from _of_archive(path, needs_text)
    elif Path(path).is_dir():
        yield from _of_folder(path, needs_text)
    else:
        yield from _of_manifest(path, read_lines(path), _Place(str(Path(path).parent)), needs_text)


def _of_manifest(name: str, lines: Iterable[str], place: _Place, needs_text: bool) -> Iterator[Recording]:
    kind = suffix_of(name)
    if kind == ".jsonl":
        rows = _json_rows(lines, name)
    else:
        rows = _table_rows((comma_rows if kind == ".csv" else tab_rows)(lines, name), needs_text)
    for where, (sound, text, speaker) in rows:
        if not sound.strip():
            raise SeqloomError("a line names no recording", where=where, expected="path, text and speaker if known")
        yield Recording(place.sound(sound.strip(), where), text.strip(), speaker.strip())


Row = tuple[str, tuple[str, str, str]]
"""The file and line of a row, and its path, text and speaker."""


def _table_rows(rows: Iterator[TableRow], needs_text: bool) -> Iterator[Row]:
    first = next(rows, None)
    if first is None:
        return
    width, places = len(first.cells), _header(first.cells, first.where, needs_text)
    if places is None:
        _check_width(width, first.where, needs_text)
        places, rows = (0, 1, 2), itertools.chain([first], rows)
    for row in of_one_width(rows, width):
        sound, text, speaker = (row.cells[place] if 0 <= place < width else "" for place in places)
        yield row.where, (sound, text, speaker)


def _header(cells: Sequence[str], where: str, needs_text: bool) -> tuple[int, int, int] | None:
    """The places of path, text and speaker where the row names them, -1 for what it does not name; None where it names
    no column."""
    names = [cell.strip().lower() for cell in cells]
    path, text, speaker = (
        next((names.index(name) for name in known if name in names), -1)
        for known in (PATH_NAMES, TEXT_NAMES, SPEAKER_NAMES)
    )
    if path < 0 and (text < 0 or _is_sound(cells[0])):
        return None
    if path < 0 or (needs_text and text < 0):
        missing, known = ("recording", PATH_NAMES) if path < 0 else ("text", TEXT_NAMES)
        raise SeqloomError(
            f"no column has the {missing}", where=where, got=", ".join(names)[:80], expected=f"one named {known[0]}",
            hint=f"other names that are known: {', '.join(known[1:])}",
        )  # fmt: skip
    return path, text, speaker


def _check_width(width: int, where: str, needs_text: bool) -> None:
    if not (2 if needs_text else 1) <= width <= 3:
        raise SeqloomError(
            "a manifest without a header has two or three columns", where=where,
            got=f"{width} column{'' if width == 1 else 's'}", expected="path, text and speaker if known",
            hint="name the columns in a first row: path, text, speaker",
        )  # fmt: skip


def _json_rows(lines: Iterable[str], name: str) -> Iterator[Row]:
    for where, content in json_objects(lines, name):
        sound, text, speaker = (
            next((content[key] for key in known if key in content), "")
            for known in (PATH_NAMES, TEXT_NAMES, SPEAKER_NAMES)
        )
        if not all(isinstance(cell, str | int) for cell in (sound, text, speaker)):
            raise SeqloomError(
                "path, text and speaker are texts", where=where, got=json.dumps(content, ensure_ascii=False)[:40]
            )
        yield where, (str(sound), str(text), str(speaker))


def _of_archive(path: str, needs_text: bool) -> Iterator[Recording]:
    archive = open_zip(path)
    names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]

    def text_of(name: str) -> str:
        try:
            return archive.read(name).decode("utf-8-sig")
        except ZIP_ERRORS as error:
            raise SeqloomError("a text could not be read", where=f"{path}/{name}", got=str(error)) from None

    if (manifest := _manifest_among(names)) is not None:
        place = _Place(str(PurePosixPath(manifest).parent), path)
        lines = (line.rstrip("\n") for line in io.StringIO(text_of(manifest), newline=None))
        yield from _of_manifest(f"{path}/{manifest}", lines, place, needs_text)
        return
    for name, words in _by_names(names, text_of, path, needs_text):
        yield Recording(SoundFile(path, name, f"{path}/{name}"), words)


def _of_folder(path: str, needs_text: bool) -> Iterator[Recording]:
    with reading(path):
        names = sorted(file.relative_to(path).as_posix() for file in Path(path).rglob("*") if file.is_file())
    if (manifest := _manifest_among(names)) is not None:
        file = Path(path, manifest)
        yield from _of_manifest(str(file), read_lines(file), _Place(str(file.parent)), needs_text)
        return
    for name, words in _by_names(names, lambda name: "\n".join(read_lines(Path(path, name))), path, needs_text):
        yield Recording(SoundFile(str(Path(path, name)), "", str(Path(path, name))), words)


def _by_names(
    names: Sequence[str], text_of: Callable[[str], str], path: str, needs_text: bool
) -> Iterator[tuple[str, str]]:
    """The sounds and their words: of the text beside each, or the name of its folder."""
    texts, sounds = {name for name in names if name.lower().endswith(".txt")}, [n for n in names if _is_sound(n)]
    if not sounds:
        raise SeqloomError(
            "there is no recording", where=path, got=f"{len(names)} files",
            expected=f"a manifest ({', '.join(f'manifest{s}' for s in _MANIFEST_SUFFIXES)}), or sounds: "
            + ", ".join(SUFFIXES[:6]),
        )  # fmt: skip
    beside = {name: str(PurePosixPath(name).with_suffix(".txt")) for name in sounds}
    has_texts = any(text in texts for text in beside.values())
    for name in sounds:
        folder = PurePosixPath(name).parent.name
        if not needs_text:
            yield name, ""
        elif has_texts:
            if beside[name] not in texts:
                raise SeqloomError("a recording has no text beside it", where=f"{path}/{name}", expected=beside[name])
            yield name, " ".join(text_of(beside[name]).split())
        elif not folder:
            raise SeqloomError(
                "nothing says what is spoken in a recording", where=f"{path}/{name}",
                expected="a manifest, a .txt of the same name beside it, or a folder named by the word",
            )  # fmt: skip
        else:
            yield name, "" if folder in _NO_WORDS else folder.replace("_", " ")


def _manifest_among(names: Sequence[str]) -> str | None:
    """The manifest nearest to the top."""
    fitting = [n for n in names if PurePosixPath(n).stem.lower() in MANIFESTS and suffix_of(n) in _MANIFEST_SUFFIXES]
    return min(
        fitting, key=lambda name: (name.count("/"), MANIFESTS.index(PurePosixPath(name).stem.lower())), default=None
    )


def _is_sound(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
