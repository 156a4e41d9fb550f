"""The survey of data of any kind: what it is, facts about it, what looks wrong, and what to start with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from seqloom.data.input_source import COLUMNAR, files_of
from seqloom.data.survey.examples import survey_labelled, survey_pairs, survey_tagged, survey_tagged_steps, survey_text
from seqloom.data.survey.kinds import Kind, kind_of_columns, recognise
from seqloom.data.survey.other_kinds import (
    survey_analogies,
    survey_described,
    survey_rated_pairs,
    survey_recordings,
    survey_series,
    survey_unknown_table,
)
from seqloom.data.survey.report import Survey
from seqloom.errors import SeqloomError, collected_warnings
from seqloom.files import STANDARD_INPUT, opened, reading


def survey(path: str, columns: Mapping[str, str] | None = None) -> Survey:
    """Reads the data at `path` and describes it. What cannot be read is part of the description.

    `columns`: the columns by their roles, which say what kind of data it is; without them both are recognised. Raises
    RequestError where there is no such file.
    """
    result = Survey(path)
    with collected_warnings() as messages:
        try:
            kind = kind_of_columns(path, columns) if columns else recognise(path)
            result.facts["what it is"] = f"{kind.name}: {kind.layout}"
            result.facts["encoding"] = _encoding(path, kind)
            _SURVEYS.get(kind.name, survey_unknown_table)(path, kind, result)
        except SeqloomError as error:
            if not result.facts:
                raise
            result.wrong.insert(0, str(error))
    result.wrong += [message for message in messages if message not in result.wrong]
    return result


def _encoding(path: str, kind: Kind) -> str:
    """Of the first 64 KiB of the first file."""
    if path == STANDARD_INPUT or kind.name == "recordings":
        return "binary"
    first = Path(files_of(path)[0])
    if first.is_dir() or first.suffix in (*COLUMNAR, ".npz"):
        return "binary"
    with reading(first), opened(str(first)) as stream:
        head = stream.read(1 << 16)
    notes = ["UTF-8" if not head.isascii() else "ASCII, which is UTF-8 too"]
    notes += ["with a byte order mark"] if head.startswith(b"\xef\xbb\xbf") else []
    notes += ["lines end in CR LF"] if b"\r\n" in head else []
    notes += [f"compressed ({first.suffix})"] if first.suffix in (".gz", ".xz") else []
    return ", ".join(notes)


_SURVEYS: dict[str, Callable[[str, Kind, Survey], None]] = {
    "text": survey_text,
    "pairs": survey_pairs,
    "labelled texts": survey_labelled,
    "labelled numbers": survey_labelled,
    "tagged sentences": survey_tagged,
    "tagged numbers": survey_tagged_steps,
    "series": survey_series,
    "recordings": survey_recordings,
    "analogies": survey_analogies,
    "rated pairs": survey_rated_pairs,
    "described vectors": survey_described,
}
