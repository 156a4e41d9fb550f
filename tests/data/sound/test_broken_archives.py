"""Zip archives of recordings that are broken: refused, whatever Python's library raises."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from seqloom.data.readers import readers
from seqloom.data.sound.sound_file import SoundFile
from seqloom.errors import SeqloomError


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("a.wav", b"RIFF")
        packed.writestr("manifest.tsv", "path\ttext\na.wav\tyes\n")
    return stream.getvalue()


def test_a_directory_that_leads_outside_the_file(tmp_path: Path) -> None:
    """An end of the directory that says another offset makes the members lie before the beginning of the file."""
    path, content = tmp_path / "x.zip", archive()
    end = content.rindex(b"PK\x05\x06")
    (offset,) = struct.unpack_from("<I", content, end + 16)
    path.write_bytes(content[: end + 16] + struct.pack("<I", offset + 500) + content[end + 20 :])
    with pytest.raises(SeqloomError):
        list(readers["recordings"](str(path)))
    with pytest.raises(SeqloomError):
        SoundFile(str(path), "a.wav", "x.zip/a.wav").read()


@pytest.mark.parametrize("cut", [1, 10, 60, 150])
def test_a_cut_archive(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(archive()[:-cut])
    with pytest.raises(SeqloomError):
        list(readers["recordings"](str(path)))
