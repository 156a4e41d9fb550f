"""Recordings that a network learns in seconds: words are tones, speakers have voices of other heights."""

from __future__ import annotations

import wave
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import seqloom
from tests.support.shared import shared

RATE = 8_000
TONES = {"low": 300.0, "mid": 700.0, "high": 1_500.0}
SMALL_NETWORK: dict[str, Any] = {
    "features.bands": 12,
    "input.dim": 12,
    "input.convolutions": 0,
    "model.hidden_size": 12,
    "model.num_layers": 1,
    "augment.join": 2,
    "training.average": 0,
}


def spoken(words: str, speaker: int = 0, seed: int = 0, rate: int = RATE) -> NDArray[np.float32]:
    """A tone of 0.15 s a word, 0.1 s of noise around each."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=rate // 10) * 1e-3]
    for word in words.split():
        time = np.arange(int(rate * 0.15)) / rate
        pitch = TONES[word] * (1 + 0.05 * speaker) * rng.uniform(0.97, 1.03)
        parts += [0.3 * np.sin(2 * np.pi * pitch * time), rng.normal(size=rate // 10) * 1e-3]
    return np.concatenate(parts).astype(np.float32)


def write_wav(path: Path, samples: NDArray[np.float32], rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


def write_recordings(path: Path, recordings: int = 90, header: bool = True) -> str:
    """A manifest `path` with a speaker column, and the recordings beside it."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    lines = ["path\ttext\tspeaker"] if header else []
    words = list(TONES)
    for number in range(recordings):
        text = " ".join(words[(number // 3**place) % 3] for place in range(1 + number % 3))
        write_wav(folder / f"{number}.wav", spoken(text, number % 2, number))
        lines.append(f"{folder.name}/{number}.wav\t{text}\tvoice{number % 2}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def zip_recordings(path: Path) -> str:
    """An archive of one recording for each word, and a manifest without a header."""
    with zipfile.ZipFile(path, "w") as archive:
        for word in TONES:
            archive.write(write_wav(path.parent / f"{word}.wav", spoken(word)), f"{word}.wav")
        archive.writestr("manifest.tsv", "".join(f"{word}.wav\t{word}\n" for word in TONES))
    return str(path)


def train_sounds(
    out: Path, *, model: str = "gru", updates: int = 6, resume: bool = False, **settings: Any
) -> seqloom.Run:
    """A run in `out` of recordings beside it; settings are written with `__` for their dots."""
    manifest = out.parent / "recordings.tsv"
    if not manifest.exists():
        write_recordings(manifest)
    kept = {n: v for n, v in SMALL_NETWORK.items() if "+" not in model or not n.startswith("model.")}
    sizes: dict[str, Any] = {}
    if "transformer" in model:
        kept = {n: v for n, v in kept.items() if not n.startswith("model.")}
        sizes = {f"{part}.model_dim": 8 for part in (("encoder", "decoder") if "+" in model else ("model",))}
    elif "+" in model:
        sizes = {"encoder.hidden_size": 8, "decoder.hidden_size": 8}
    if "+" in model:
        sizes["embedding.dim"] = 8
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    everything = {"training.checkpoint_seconds": 3600, **kept, **sizes, **dotted}
    return seqloom.train(
        "transcribe", str(manifest), model=model, updates=updates, out=out, threads=1, quiet=True, resume=resume,
        settings=everything,
    )  # fmt: skip


def shared_sounds_run(factory: pytest.TempPathFactory, **options: Any) -> seqloom.Run:
    return shared(factory, train_sounds, **options)


def run_that_hears(factory: pytest.TempPathFactory) -> seqloom.Run:
    """It has learnt the tones."""
    return shared_sounds_run(
        factory, updates=150, training__learning_rate=1e-2, model__hidden_size=24, input__dim=24,
        augment__noise=0, augment__frequency_masks=0, augment__time_masks=0, augment__gap_ms=100,
    )  # fmt: skip
