"""Sound as it comes is heard as the whole is, however it is cut."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest

import seqloom
from seqloom.errors import RequestError
from seqloom_portable.transcripts import Transcript
from tests.support.command_line import CommandLine
from tests.support.sounds import RATE, run_that_hears, spoken, train_sounds, write_wav

pytest.importorskip("soundfile")
TEXTS = ["low", "mid high low", "high", "low low"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return run_that_hears(tmp_path_factory)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Utterances with pauses of 0.2 to 1.4 s between them."""
    rng = np.random.default_rng(0)
    pauses = [rng.normal(size=int(RATE * seconds)) * 1e-3 for seconds in (0.6, 0.2, 1.0, 1.4)]
    parts = [part for text, pause in zip(TEXTS, pauses, strict=True) for part in (spoken(text, seed=len(text)), pause)]
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize("size", [37, 160, 1_000, 8_000, 10**6])
def test_a_stream_is_heard_as_the_whole(run: seqloom.Run, sound: np.ndarray, size: int) -> None:
    listener = run.listen(RATE)
    heard = [listener.push(sound[at : at + size]) for at in range(0, len(sound), size)]
    transcripts = [t for part in [*heard, listener.finish()] for t in part.utterances]
    ((whole, *_),) = run.answers([sound])
    assert isinstance(whole, Transcript)
    assert " ".join(transcript.text for transcript in transcripts) == whole.text == " ".join(TEXTS)
    words = [word for transcript in transcripts for word in transcript.words]
    assert [(w.text, round(w.start, 4), round(w.end, 4)) for w in words] == [
        (w.text, round(w.start, 4), round(w.end, 4)) for w in whole.words
    ]
    assert sum(t.log_prob for t in transcripts) == pytest.approx(whole.log_prob, abs=1e-3)


def test_words_are_heard_within_half_a_second(run: seqloom.Run, sound: np.ndarray) -> None:
    listener, heard_at = run.listen(RATE), None
    for at in range(0, len(sound), 400):
        if listener.push(sound[at : at + 400]).partial:
            heard_at = at + 400
            break
    assert heard_at is not None
    assert heard_at <= RATE * (0.1 + 0.5)


def test_silence_and_noise_give_no_words(run: seqloom.Run) -> None:
    listener = run.listen(RATE)
    for sound in (np.zeros(3 * RATE), np.random.default_rng(0).normal(size=2 * RATE) * 1e-3):
        heard = listener.push(sound.astype(np.float32))
        assert (heard.utterances, heard.partial) == ([], "")
    assert listener.finish().utterances == []


def test_another_rate_is_resampled_as_it_comes(run: seqloom.Run) -> None:
    text = "mid high low"
    slow = spoken(text)
    fast = np.interp(np.arange(0, len(slow), 0.5), np.arange(len(slow)), slow).astype(np.float32)
    listener = run.listen(2 * RATE)
    heard = [listener.push(fast[at : at + 441]) for at in range(0, len(fast), 441)]
    transcripts = [t for part in [*heard, listener.finish()] for t in part.utterances]
    assert " ".join(t.text for t in transcripts) == text


@pytest.mark.parametrize("model", ["bigru", "cnn", "gru+attention"])
def test_a_model_that_needs_later_sound_says_so(model: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="needs the whole recording"):
        train_sounds(tmp_path / "run", model=model, updates=1).listen(RATE)


def test_a_pipe_of_samples_or_of_wav_is_read(
    run: seqloom.Run,
    sound: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    command = CommandLine(monkeypatch, capsys)
    raw = (np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes()
    (tmp_path / "raw").write_bytes(raw)
    write_wav(tmp_path / "x.wav", sound)
    stereo = io.BytesIO()
    with wave.open(stereo, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(np.frombuffer(raw, "<i2"), 2).tobytes())
    (tmp_path / "stereo.wav").write_bytes(stereo.getvalue())
    expected = ["low", "mid high low high", "low low"]
    for name in ("raw", "x.wav", "stereo.wav"):
        status, out, _ = command("predict", str(run.folder), str(tmp_path / name), "--online")
        assert status == 0
        assert out.splitlines() == expected, name
    status, out, _ = command(
        "predict", str(run.folder), str(tmp_path / "raw"), "--online", "--rate", str(RATE), "--json"
    )
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in rows if "text" in row] == expected
    assert any(row.get("partial") == "mid" for row in rows)


def test_commands_on_recordings(
    run: seqloom.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = CommandLine(monkeypatch, capsys)
    path = write_wav(tmp_path / "a.wav", spoken("high low"))
    assert command("predict", str(run.folder), str(path))[:2] == (0, "high low\n")
    (tmp_path / "list.tsv").write_text("a.wav\nmissing.wav\na.wav\n")
    status, out, errors = command("predict", str(run.folder), str(tmp_path / "list.tsv"))
    assert status == 2
    assert "list.tsv:2" in errors
    with pytest.warns(UserWarning, match="1 of 3 recordings are skipped"):
        list(run.answers(run.inputs(str(tmp_path / "list.tsv")), skip_bad=True))
    data = run.plan.sources.data
    status, out, _ = command("evaluate", str(run.folder), data, "--by", "speaker")
    assert status == 0
    assert out.splitlines()[0] == "group,recordings,word_error_rate,character_error_rate,exact_match"
    assert len(out.splitlines()) == 3
    status, _, errors = command("evaluate", str(run.folder), data, "--by", "speaker", "--columns", "tone=1")
    assert (status, "tone" in errors) == (2, True)
    status, out, _ = command("evaluate", str(run.folder), data, "--by-length", "--json")
    assert [row["group"] for row in json.loads(out)] == ["1 word", "2 words", "3 words"]
    page = tmp_path / "worst.html"
    status, again, _ = command("evaluate", str(run.folder), data, "--by-length", "--json", "--report", page)
    assert (status, again, page.is_file()) == (0, out, True), "the table and the page"
    status, _, errors = command("evaluate", str(run.folder), data, "--by-length", "--by", "speaker")
    assert (status, "one table at a time" in errors) == (2, True)
    status, _, errors = command("predict", str(run.folder), str(path), "--rate", "8000")
    assert (status, "--online" in errors) == (2, True)


def test_the_page_of_the_worst_recordings_plays_them(
    run: seqloom.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "list.tsv").write_text("a.wav\t<b>mid\tann\nb.wav\tlow\tben\n")
    write_wav(tmp_path / "a.wav", spoken("high low"))
    write_wav(tmp_path / "b.wav", spoken("low"))
    page = tmp_path / "page.html"
    arguments = ("evaluate", str(run.folder), str(tmp_path / "list.tsv"), "--report", str(page))
    status, _, errors = CommandLine(monkeypatch, capsys)(*arguments)
    assert status == 0
    assert "report: " in errors
    content = page.read_text()
    assert content.count("<audio ") == content.count("<img ") == 1
    assert "data:audio/wav;base64,UklGR" in content
    assert "data:image/png;base64,iVBOR" in content
    assert "<b>mid" not in content
    assert '<span class="wrong">high</span>' in content
    assert "http" not in content.replace("http-equiv", "")
