"""Recordings as data: manifests, folders and archives; the cache follows the sound; what is bad is named or counted."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqloom.data.corpus import Corpus, Sources
from seqloom.data.readers import readers
from seqloom.data.sound import frame_cache
from seqloom.data.sound.augmentation import AugmentSettings
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom.data.sound.spoken import fewest_steps
from seqloom.data.sound.spoken_loader import AugmentedLoader, SpokenLoader
from seqloom.data.sound.spoken_recipe import SpokenRecipe
from seqloom.data.sound.transcripts import TranscriptSettings, kind_of
from seqloom.errors import RequestError, SeqloomError, SeqloomWarning
from tests.support.sounds import TONES, spoken, write_recordings, write_wav, zip_recordings

pytest.importorskip("soundfile")


def recipe(skip_bad: bool = False, most_seconds: float = 40.0) -> SpokenRecipe:
    return SpokenRecipe(FeatureSettings(bands=12), TranscriptSettings(), most_seconds, skip_bad)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_recordings(tmp_path_factory.mktemp("sounds") / "list.tsv", 60)


def rows(path: Path | str) -> list[tuple[str, str, str]]:
    return [(Path(r.sound.name).name, r.text, r.speaker) for r in readers["recordings"](str(path))]


def test_manifests_of_every_kind_say_the_same(tmp_path: Path) -> None:
    expected = [("a.wav", "low, high", "ann"), ("b.wav", "mid", "")]
    written = {
        "x.tsv": "a.wav\tlow, high\tann\nb.wav\tmid\t\n",
        "y.tsv": "speaker\tsentence\tpath\nann\tlow, high\ta.wav\n\n\tmid\tb.wav\n",
        "x.csv": 'file,text,speaker\na.wav,"low, high",ann\nb.wav,mid,\n',
        "x.jsonl": '{"audio_filepath": "a.wav", "text": "low, high", "speaker": "ann"}\n'
        '{"path": "b.wav", "text": "mid"}\n',
    }
    for name, content in written.items():
        (tmp_path / name).write_text(content)
        assert rows(tmp_path / name) == expected, name


def test_manifests_are_read_as_all_tables_are(tmp_path: Path) -> None:
    """Cells in quotes, other separators and very long cells, as docs/data.md describes tables."""
    written = {
        "x.tsv": 'a.wav\t"say ""hi"" now"\n',
        "x.csv": 'path,text\na.wav,"say ""hi""\nnow"\n',
        "y.csv": 'path;text\na.wav;"say ""hi"" now"\n',
    }
    for name, content in written.items():
        (tmp_path / name).write_text(content)
        assert [(path, " ".join(text.split())) for path, text, _ in rows(tmp_path / name)] == [
            ("a.wav", 'say "hi" now')
        ], name
    long = "word " * 40_000
    (tmp_path / "z.csv").write_text(f'a.wav,"{long}"\n')
    assert rows(tmp_path / "z.csv") == [("a.wav", long.strip(), "")]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("manifest.csv", 'path;text\r\na.wav;"say ""hi"" now"\r\n')
    assert rows(tmp_path / "x.zip") == [("a.wav", 'say "hi" now', "")]


def test_folders_and_archives_say_what_is_spoken(tmp_path: Path) -> None:
    for word in TONES:
        (tmp_path / "words" / word).mkdir(parents=True)
        write_wav(tmp_path / "words" / word / "1.wav", spoken(word))
    (tmp_path / "words" / "_background_noise_").mkdir()
    write_wav(tmp_path / "words" / "_background_noise_" / "n.wav", spoken("low")[:800])
    assert sorted(text for _, text, _ in rows(tmp_path / "words")) == ["", "high", "low", "mid"]
    (tmp_path / "texts").mkdir()
    write_wav(tmp_path / "texts" / "a.wav", spoken("low mid"))
    (tmp_path / "texts" / "a.txt").write_text("low\nmid\n")
    assert rows(tmp_path / "texts") == [("a.wav", "low mid", "")]
    assert rows(zip_recordings(tmp_path / "words.zip")) == [(f"{word}.wav", word, "") for word in TONES]
    shutil.make_archive(str(tmp_path / "again"), "zip", tmp_path / "texts")
    assert rows(tmp_path / "again.zip") == [("a.wav", "low mid", "")]


WRONG: dict[str, tuple[str, str]] = {
    "one column": ("a.wav\n", ":1"),
    "four columns": ("a.wav\tx\ty\tz\n", ":1"),
    "another width": ("a.wav\tx\nb.wav\ty\tz\n", ":2"),
    "no text column": ("path\tsize\na.wav\t3\n", ":1"),
    "no path": ("path\ttext\n\tlow\n", ":2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_manifest_with_wrong_columns_is_named_with_its_line(case: str, tmp_path: Path) -> None:
    content, line = WRONG[case]
    (tmp_path / "x.tsv").write_text(content)
    with pytest.raises(SeqloomError) as caught:
        rows(tmp_path / "x.tsv")
    assert str(caught.value.where).endswith(line)


def prepared(path: str, **options: bool | float) -> Corpus:
    return recipe(**options).prepare(Sources(path))  # type: ignore[arg-type]


def test_sound_is_decoded_once_whatever_the_manifest_is_called(
    manifest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = prepared(manifest)
    assert corpus.codec.facts()["rate"] == 8_000
    assert sum(part.num_lines for part in (corpus.train, corpus.valid, corpus.test) if part is not None) == 60
    decoded: list[str] = []
    original = frame_cache._frames
    monkeypatch.setattr(frame_cache, "_frames", lambda *a: decoded.append(a[2].text) or original(*a))  # type: ignore[func-returns-value]
    copy = tmp_path / "other.tsv"
    content = Path(manifest).read_text().replace("\tlow", "\tLOW!").replace("list/", f"{Path(manifest).parent}/list/")
    copy.write_text(content)
    again = prepared(str(copy))
    assert not decoded
    assert again.train.texts == corpus.train.texts
    folder = tmp_path / "list"
    shutil.copytree(Path(manifest).with_suffix(""), folder)
    (tmp_path / "list.tsv").write_text(Path(manifest).read_text())
    write_wav(folder / "3.wav", spoken("high high", 0, 99))  # the manifest is the same
    prepared(str(tmp_path / "list.tsv"))
    assert len(decoded) == 60


def test_equal_recordings_fall_on_one_side(tmp_path: Path) -> None:
    lines = []
    for number in range(160):
        name = write_wav(tmp_path / f"{number}.wav", spoken("low", 0, number // 2)).name
        lines.append(f"{name}\tlow {number // 2}")
    (tmp_path / "x.tsv").write_text("\n".join(lines))
    corpus = prepared(str(tmp_path / "x.tsv"))
    parts = [set(part.texts) for part in (corpus.train, corpus.valid, corpus.test) if part is not None]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 80


def silent(path: Path) -> None:
    write_wav(path, np.zeros(4_000, np.float32))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "does not exist"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:1_000]), "truncated"),
    "one sample": (lambda path: write_wav(path, np.ones(1, np.float32)), "too short"),
    "silent": (silent, "silent"),
    "too long": (lambda path: write_wav(path, np.tile(spoken("low"), 40)), "too long"),
    "no sound": (lambda path: path.write_text("words"), "could not be decoded"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_recordings_are_named_with_their_line_or_skipped_with_a_count(case: str, tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "list.tsv", 40)
    damage, what = BAD[case]
    damage(tmp_path / "list" / "5.wav")
    with pytest.raises(SeqloomError, match=what) as caught:
        prepared(path, most_seconds=5.0)
    assert caught.value.where == f"{path}:7"
    with pytest.warns(SeqloomWarning, match="1 of 40 recordings are skipped") as warned:
        corpus = prepared(path, skip_bad=True, most_seconds=5.0)
    assert "list.tsv:7" in str(warned[0].message)
    assert sum(part.num_lines for part in (corpus.train, corpus.valid, corpus.test) if part is not None) == 39


def test_a_text_longer_than_the_recording_is_named(tmp_path: Path) -> None:
    path = Path(write_recordings(tmp_path / "list.tsv", 40))
    lines = path.read_text().splitlines()
    lines[4] = lines[4].rsplit("\t", 2)[0] + "\t" + "low " * 90 + "\tvoice0"
    path.write_text("\n".join(lines))
    with pytest.raises(SeqloomError, match="longer than the recording allows") as caught:
        prepared(str(path))
    assert str(caught.value.where).endswith(":5")
    with pytest.warns(SeqloomWarning, match="skipped"):
        prepared(str(path), skip_bad=True)


def test_a_blank_stands_between_equal_tokens() -> None:
    assert fewest_steps([4, 4, 5]) == 4
    assert fewest_steps([]) == 0


def test_few_words_that_occur_often_are_predicted_whole() -> None:
    assert kind_of(["yes", "no"] * 8) == "word"
    assert kind_of([f"word{i}" for i in range(100)]) == "character"
    assert kind_of(["turn on", "turn off"] * 8) == "word"
    assert kind_of(["turn the lamp on", "turn the lamp off"] * 8) == "character"


def test_transcripts_are_normalised() -> None:
    settings = TranscriptSettings()
    assert settings.normalised("  Don't  STOP, now!\u2026 ") == "don't stop now"
    assert TranscriptSettings(lowercase=False, punctuation=True).normalised("Go, now!") == "Go, now!"


def test_batches_hold_every_recording_once_and_are_functions_of_the_step(manifest: str) -> None:
    train = prepared(manifest).train
    loader = SpokenLoader(train, 500, 8)
    assert sum(loader.batch(0, i).num_rows for i in range(loader.num_steps())) == train.num_lines
    settings = AugmentSettings(join=3, silence=0.0)
    first, second = (AugmentedLoader(train, 500, 8, settings, 3) for _ in range(2))
    for epoch in (0, 1):
        tokens = 0
        for step in reversed(range(first.num_steps(epoch))):
            a, b = first.batch(epoch, step), second.batch(epoch, step)
            assert a.source.equal(b.source)  # type: ignore[union-attr]
            assert a.targets.equal(b.targets)
            tokens += int((a.targets > 3).sum())
        assert tokens == sum(map(len, train.token_ids))


def test_silence_is_trained_without_words(manifest: str) -> None:
    train = prepared(manifest).train
    loader = AugmentedLoader(train, 2_000, 32, AugmentSettings(silence=1.0, join=1), 3)
    batch = loader.batch(0, 0)
    assert batch.num_rows % 2 == 0
    assert (batch.targets[batch.num_rows // 2 :, 0] == 3).all()


def test_json_with_wrong_kinds_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"path": "a.wav", "text": "a"}) + "\n[1]\n")
    with pytest.raises(SeqloomError, match="JSON object") as caught:
        rows(tmp_path / "x.jsonl")
    assert str(caught.value.where).endswith(":2")


def test_a_name_that_is_too_long_is_reported_when_the_sound_is_read(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f"{'a' * 300}.wav,yes\n", encoding="utf-8")
    (recording,) = readers["recordings"](str(manifest))
    with pytest.raises(SeqloomError, match="too long") as caught:
        recording.sound.read()
    assert caught.value.where == f"{manifest}:1"


@pytest.mark.parametrize("speakers", [3, 6, 40])
def test_whole_speakers_are_held_out(speakers: int, tmp_path: Path) -> None:
    path = Path(write_recordings(tmp_path / "list.tsv", 80))
    header, *lines = path.read_text().splitlines()
    changed = [f"{line.rpartition(chr(9))[0]}\tvoice{number % speakers}" for number, line in enumerate(lines)]
    path.write_text("\n".join([header, *changed]) + "\n")
    corpus = replace(recipe(), by_speaker=True).prepare(Sources(str(path)))
    assert corpus.test is not None
    parts = [set(part.speakers) for part in (corpus.train, corpus.valid, corpus.test)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == speakers


def test_speakers_that_are_not_known_are_not_held_out(tmp_path: Path) -> None:
    path = Path(write_recordings(tmp_path / "list.tsv", 30))
    path.write_text("\n".join(line.rpartition("\t")[0] for line in path.read_text().splitlines()) + "\n")
    with pytest.raises(RequestError, match="no recording has a speaker"):
        replace(recipe(), by_speaker=True).prepare(Sources(str(path)))
