"""Questions on recognisers of sound, answered on generated words: each is two tones, one after the other."""

from __future__ import annotations

import itertools
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from questions.trials import Answer, Variant, between, table, train_all

RATE = 8_000
TONES = {"a": 420.0, "e": 630.0, "i": 945.0, "o": 1420.0}
WORDS = ["".join(pair) for pair in itertools.permutations(TONES, 2)]
_SPEAKERS = 12
_TEST = 120
"""Recordings of a test; a multiple of the words."""
_SETTINGS = {"training.evaluations": 6, "data.recordings_per_batch": 16, "tokenizer.kind": "character"}


def recognisers(folder: Path) -> Answer:
    """A support vector machine, a convolution, a recurrent layer, and attention: on single words, and on texts of
    several words of which those of the test are new."""
    rng = np.random.default_rng(2)
    texts = sorted({tuple(rng.choice(WORDS, int(rng.integers(2, 6)))) for _ in range(850)})
    rng.shuffle(texts)
    networks = {
        "cnn": ("cnn", {"model.hidden_size": 64, "model.num_layers": 3}),
        "bigru": ("bigru", {"model.hidden_size": 48, "model.num_layers": 1}),
        "bigru+attention": ("bigru+attention", {"encoder.hidden_size": 48, "encoder.num_layers": 1}),
    }
    kinds = {"single words": [(word,) for word in WORDS] * 70, "several words": texts}
    trained = []
    for kind, spoken_texts in kinds.items():
        name = kind.replace(" ", "-")
        train = record(folder / f"{name}.tsv", spoken_texts[_TEST:], seed=1)
        test = record(folder / f"{name}-test.tsv", spoken_texts[:_TEST], seed=2)
        if kind == "single words":
            baseline = Variant(f"svm, {kind}", "svm", deterministic=True)
            trained += train_all("transcribe", train, [baseline], folder / "svm", {}, test=test)
        variants = [Variant(f"{network}, {kind}", *model) for network, model in networks.items()]
        trained += train_all("transcribe", train, variants, folder / name, _SETTINGS, test=test, updates=500)
    pairs = [("svm", "bigru"), ("cnn", "bigru"), ("bigru+attention", "bigru")]
    return table(
        trained,
        [*between(pairs, "single words"), *between(pairs[1:], "several words")],
        f"Generated sounds: twelve words of two tones each, {_SPEAKERS} voices, tempo and noise; recordings of "
        f"{len(WORDS) * 70 - _TEST} single words and of {len(texts) - _TEST} different texts of two to five words; 500 "
        "updates, three seeds",
    )


def record(path: Path, texts: Sequence[tuple[str, ...]], seed: int) -> str:
    """A manifest, and the recordings beside it."""
    rng, lines = np.random.default_rng(seed), ["path\ttext\tspeaker"]
    path.with_suffix("").mkdir(exist_ok=True)
    for number, words in enumerate(texts):
        voice = int(rng.integers(_SPEAKERS))
        samples = spoken(words, voice, rng)
        with wave.open(str(path.with_suffix("") / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, len(samples), "NONE", ""))
            file.writeframes(samples.tobytes())
        lines.append(f"{path.stem}/{number}.wav\t{' '.join(words)}\tvoice{voice}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def spoken(words: Sequence[str], voice: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """Tones of 60 to 160 ms with two harmonics, a pause of up to 150 ms after each word, and noise."""
    parts = [np.zeros(int(rng.uniform(0.02, 0.1) * RATE))]
    for word in words:
        for letter in word:
            seconds = np.arange(int(rng.uniform(0.06, 0.16) * RATE)) / RATE
            pitch = TONES[letter] * (1 + 0.03 * (voice - _SPEAKERS / 2)) * rng.uniform(0.95, 1.05)
            waves = sum(np.sin(2 * np.pi * pitch * k * seconds + rng.uniform(0, 6)) / k for k in (1, 2, 3))
            parts.append(np.asarray(waves) * np.hanning(len(seconds)))
        parts.append(np.zeros(int(rng.uniform(0.02, 0.15) * RATE)))
    sound = np.concatenate(parts)
    noisy = sound + rng.normal(size=len(sound)) * rng.uniform(0.1, 0.5)
    return (noisy / np.abs(noisy).max() * 20_000).astype(np.int16)
