"""Sound of any format, rate and number of channels becomes samples; what is no sound is named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from seqloom.data.sound.sound_file import Sound, SoundFile, decode, resampled, resampled_stream
from seqloom.errors import SeqloomError, SeqloomWarning
from tests.support.sounds import RATE, spoken, write_wav

soundfile = pytest.importorskip("soundfile")
TONE = spoken("low high")


def encoded(samples: np.ndarray, rate: int, kind: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind)
    return stream.getvalue()


@pytest.mark.parametrize(("kind", "error"), [("WAV", 1e-4), ("FLAC", 1e-4), ("OGG", 0.1), ("MP3", 0.1)])
def test_every_format_is_decoded(kind: str, error: float) -> None:
    sound = decode(encoded(TONE, RATE, kind), "here")
    assert sound.rate == RATE
    assert np.abs(sound.samples[: len(TONE)] - TONE).mean() < error


def test_channels_are_averaged() -> None:
    both = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    assert np.allclose(decode(encoded(both, RATE, "WAV"), "here").samples, TONE / 2, atol=1e-3)


def test_of_channels_that_cancel_one_is_read() -> None:
    with pytest.warns(SeqloomWarning, match="cancel"):
        sound = decode(encoded(np.stack([TONE, -TONE], axis=1), RATE, "WAV"), "list.tsv:7")
    assert np.allclose(np.abs(sound.samples), np.abs(TONE), atol=1e-3)


def test_sound_in_parts_is_resampled_as_the_whole_is() -> None:
    whole, stream = resampled(Sound(TONE, RATE), 16_000), resampled_stream(RATE, 16_000)
    parts = [stream.push(TONE[i : i + 333], i + 333 >= len(TONE)) for i in range(0, len(TONE), 333)]
    together = np.concatenate(parts)
    assert abs(len(together) - len(whole)) <= 2
    assert np.abs(together[: len(whole) - 2] - whole[: len(together) - 2]).max() < 1e-3


GOOD = encoded(TONE, RATE, "WAV")
BAD = {
    "truncated": GOOD[: len(GOOD) // 2],
    "decoded FLAC": encoded(TONE, RATE, "FLAC")[:2_000],
    "decoded": b"no sound at all, but a text",
    "no samples": encoded(TONE[:0], RATE, "WAV"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_sound_is_named(what: str) -> None:
    with pytest.raises(SeqloomError, match=what.split()[0]) as caught:
        decode(BAD[what], "list.tsv:3")
    assert caught.value.where == "list.tsv:3"


def test_a_missing_and_an_empty_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for name, what in (("missing.wav", "does not exist"), ("empty.wav", "empty"), ("a" * 300, "too long")):
        with pytest.raises(SeqloomError, match=what) as caught:
            SoundFile(str(tmp_path / name), "", "list.tsv:9").read()
        assert caught.value.where == "list.tsv:9"
    assert decode(SoundFile(str(write_wav(tmp_path / "good.wav", TONE)), "", "x").read(), "x").seconds > 0.5
