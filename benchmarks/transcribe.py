"""Transcribers of spoken digits and of a corpus made with espeak-ng: error rates, seconds of the processor, speed.

    python benchmarks/transcribe.py [PART ...]
    parts: recordings speakers sentences speed peer

Digits are of ../shared/data/speech (recordings 5 to 9 of each speaker held out, or all of one speaker); sentences are
made here. The peer is SpeechBrain, in an environment of its own (peers/speechbrain_ctc.py):
    PEER/bin/pip install torch==2.13.0 speechbrain==1.1.2 torchaudio
torchaudio's library does not load beside a CPU build of torch, and is not needed here: move its folder `lib` away.
Validation data is a part of the training recordings. Only the noise that training adds was chosen where two of the
speakers were held out. One thread; seconds are those of the processor. Results are kept in
benchmarks/results/transcribe.json, part by part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import wave
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import seqloom

DIGITS = Path(__file__).parent.parent.parent / "shared" / "data" / "speech" / "spoken_digits.train.zip"
RESULTS = Path(__file__).parent / "results" / "transcribe.json"
FOLDER = Path(tempfile.gettempdir()) / "seqloom-benchmark-transcribe"
_PEER_BATCHES, _PEER_WARM_UP = 25, 5
UPDATES = {"recordings": 1_800, "speakers": 1_200, "sentences": 1_500}
"""What five minutes are enough for, and for `speakers`, of which there are eighteen trainings, less."""
NEW_SPEAKERS = {"features.subtract": "smooth", "features.loudness_power": 0.3}
"""The settings for single words of speakers who were not heard in training."""

Rows = dict[str, Any]
Line = tuple[str, str, str]
"""Path, text, speaker."""


def write_manifest(path: Path, lines: Iterable[Line]) -> str:
    path.write_text("path\ttext\tspeaker\n" + "".join("\t".join(line) + "\n" for line in lines))
    return str(path)


def digits() -> list[Line]:
    """The recordings, unpacked."""
    folder = FOLDER / "digits"
    if not folder.exists():
        with zipfile.ZipFile(DIGITS) as archive:
            archive.extractall(folder)
    lines = [line.split("\t") for line in (folder / "manifest.tsv").read_text().splitlines()]
    return [(f"digits/{name}", text, name.split("_")[1]) for name, text in lines]


def index_of(line: Line) -> int:
    return int(line[0].rsplit("_", 1)[1].split(".")[0])


def held_out(name: str, train: Sequence[Line], test: Sequence[Line]) -> tuple[str, str, str]:
    """Manifests of training, validation (three recordings of each digit and speaker) and test."""
    valid = [line for line in train if index_of(line) < 13 and index_of(line) >= 10]
    rest = [line for line in train if line not in set(valid)]
    parts = (("train", rest), ("valid", valid), ("test", test))
    return tuple(write_manifest(FOLDER / f"{name}-{part}.tsv", lines) for part, lines in parts)  # type: ignore[return-value]


def trained(
    name: str, manifests: Sequence[str], updates: int, seed: int = 1, settings: Rows | None = None
) -> seqloom.Run:
    """A run, of an earlier call where there is one."""
    folder = FOLDER / "runs" / f"{name}-{updates}-seed{seed}"
    if (folder / "summary.json").exists():
        return seqloom.load(folder, threads=1)
    train, valid, test = manifests
    return seqloom.train(
        "transcribe", train, valid=valid, test=test, updates=updates, out=folder, threads=1, quiet=True, seed=seed,
        resume=folder.exists(), settings=settings or {},
    )  # fmt: skip


def facts(run: seqloom.Run) -> Rows:
    summary = run.summary
    return {
        "word_error_rate": round(summary["test"]["word_error_rate"], 4),
        "valid_word_error_rate": round(summary["valid"]["word_error_rate"], 4),
        "parameters": summary["parameters"],
        "processor_seconds": summary["processor_seconds"],
    }


def recordings() -> Rows:
    """Recordings 5 to 9 held out, one at a time and five joined with gaps of 0 to 150 ms."""
    lines = digits()
    test = [line for line in lines if index_of(line) < 10]
    manifests = held_out("recordings", [line for line in lines if index_of(line) >= 10], test)
    joined = join_digits(test)
    rows = {}
    for seed in (1, 2, 3):
        run = trained("recordings", manifests, UPDATES["recordings"], seed)
        rows[f"seed {seed}"] = facts(run) | {"five_joined": round(run.evaluate(joined)["word_error_rate"], 4)}
    medians = {
        name: float(np.median([row[name] for row in rows.values()])) for name in ("word_error_rate", "five_joined")
    }
    return rows | {"median": medians}


def join_digits(lines: Sequence[Line]) -> str:
    """Five recordings of one speaker in one, each once; the gaps are silent."""
    rng, joined = np.random.default_rng(1), []
    (FOLDER / "joined").mkdir(exist_ok=True)
    for speaker in sorted({line[2] for line in lines}):
        own = [line for line in lines if line[2] == speaker]
        for number, places in enumerate(rng.permutation(len(own)).reshape(-1, 5)):
            parts: list[NDArray[np.int16]] = []
            for place in places:
                with wave.open(str(FOLDER / own[place][0])) as file:
                    parts.append(np.frombuffer(file.readframes(file.getnframes()), np.int16))
                parts.append(np.zeros(int(rng.uniform(0, 0.15) * 8_000), np.int16))
            name = f"joined/{speaker}_{number}.wav"
            write_wav(FOLDER / name, np.concatenate(parts[:-1]), 8_000)
            joined.append((name, " ".join(own[place][1] for place in places), speaker))
    return write_manifest(FOLDER / "joined.tsv", joined)


def speakers() -> Rows:
    """Every speaker held out in turn."""
    lines = digits()
    manifests = {
        speaker: held_out(
            f"without-{speaker}",
            [line for line in lines if line[2] != speaker and index_of(line) >= 10],
            [line for line in lines if line[2] == speaker],
        )
        for speaker in sorted({line[2] for line in lines})
    }
    rows: Rows = {}
    for seed in (1, 2, 3):
        runs = {
            speaker: trained(f"without-{speaker}-smooth", parts, UPDATES["speakers"], seed, NEW_SPEAKERS)
            for speaker, parts in manifests.items()
        }
        row = {speaker: facts(run) for speaker, run in runs.items()}
        rates = [fact["word_error_rate"] for fact in row.values()]
        rows[f"seed {seed}"] = row | {"mean": round(float(np.mean(rates)), 4), "worst": max(rates)}
    medians = {name: float(np.median([row[name] for row in rows.values()])) for name in ("mean", "worst")}
    return rows | {"median": medians}


def write_wav(path: Path, samples: NDArray[np.int16], rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-us+f2", "en-gb+f4", "en-us+m3", "en-gb+m7", "en-us+f5")
UNSEEN_VOICES = ("en-gb-x-rp+m2", "en-us+f3")
GRAMMAR = {
    "COMMAND": ["turn on the LAMP PLACE", "turn off the LAMP PLACE", "move the LAMP to the ROOM", "open the DOOR PLACE",
                "close the DOOR PLACE", "wake me at TIME", "call NAME at TIME", "tell NAME to close the DOOR PLACE",
                "play COUNT songs PLACE", "set the LAMP PLACE to COUNT percent"],
    "LAMP": ["lamp", "COLOUR lamp", "heater", "radio", "COLOUR lantern", "screen"],
    "DOOR": ["door", "window", "COLOUR gate", "garage", "curtain"],
    "COLOUR": ["red", "green", "blue", "yellow", "white", "small", "large"],
    "PLACE": ["in the ROOM", "near the ROOM", "behind the ROOM"],
    "ROOM": ["kitchen", "cellar", "bedroom", "garden", "office", "attic", "hall"],
    "TIME": ["COUNT", "half past COUNT", "quarter past COUNT", "COUNT in the morning", "COUNT in the evening"],
    "COUNT": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
    "NAME": ["anna", "peter", "susan", "martin", "laura", "oliver"],
}  # fmt: skip


def sentence(rng: np.random.Generator, symbol: str = "COMMAND") -> str:
    words = str(rng.choice(GRAMMAR[symbol])).split()
    return " ".join(sentence(rng, word) if word in GRAMMAR else word for word in words)


def speak(text: str, voice: str, path: Path, rng: np.random.Generator) -> None:
    """At a random speed and pitch, 8 kHz."""
    options = ["-v", voice, "-s", str(int(rng.integers(140, 200))), "-p", str(int(rng.integers(30, 70)))]
    subprocess.run(["espeak-ng", *options, "-w", str(path), text], check=True, capture_output=True)


def with_noise(samples: NDArray[np.float64], ratio_db: float, rng: np.random.Generator) -> NDArray[np.int16]:
    noise = np.cumsum(rng.normal(size=len(samples)))
    noise = rng.normal(size=len(samples)) + 0.05 * (noise - np.convolve(noise, np.ones(400) / 400, mode="same"))
    level = np.sqrt((samples**2).mean() / (noise**2).mean()) * 10 ** (-ratio_db / 20)
    noisy = samples + noise * level
    return (noisy / max(np.abs(noisy).max(), 1e-9) * 20_000).astype(np.int16)


def corpus() -> dict[str, str]:
    """2,000 sentences: 1,600 to train on, 100 to validate on, 300 new ones to test on, by voices that were trained and
    by others, with little noise (15 to 30 dB) and with much (0 dB)."""
    from seqloom.data.sound.sound_file import decode, resampled

    folder, rng = FOLDER / "sentences", np.random.default_rng(1)
    manifests = {name: folder / f"{name}.tsv" for name in ("train", "valid", "test", "unseen", "noisy", "noisy-valid")}
    if manifests["noisy-valid"].exists():
        return {name: str(path) for name, path in manifests.items()}
    folder.mkdir(parents=True, exist_ok=True)
    texts: list[str] = []
    while len(texts) < 2_000:
        text = sentence(rng)
        if text not in texts:
            texts.append(text)
    lines: dict[str, list[Line]] = {name: [] for name in manifests}
    raw = folder / "raw.wav"
    for number, text in enumerate(texts):
        split = "train" if number < 1_600 else "valid" if number < 1_700 else "test"
        voices = [str(rng.choice(VOICES))] + ([str(rng.choice(UNSEEN_VOICES))] if split == "test" else [])
        for voice in voices:
            speak(text, voice, raw, rng)
            samples = resampled(decode(raw.read_bytes(), str(raw)), 8_000).astype(np.float64)
            part = "unseen" if voice in UNSEEN_VOICES else split
            ratios = [(part, rng.uniform(15, 30))]
            ratios += [("noisy", 0.0)] if part == "test" else [("noisy-valid", 0.0)] if part == "valid" else []
            for name, ratio in ratios:
                file = f"{name}-{number}.wav"
                write_wav(folder / file, with_noise(samples, ratio, rng), 8_000)
                lines[name].append((file, text, voice))
    return {name: write_manifest(path, lines[name]) for name, path in manifests.items()}


def sentences() -> Rows:
    """A test of the machinery: the order of words, sentences that are new, the language model, speed."""
    manifests = corpus()
    run = trained("sentences", [manifests["train"], manifests["valid"], manifests["test"]], UPDATES["sentences"])
    rows: Rows = facts(run)
    rows["unseen_voices"] = round(run.evaluate(manifests["unseen"])["word_error_rate"], 4)
    rows |= noise(run, manifests)
    data = run.read(manifests["test"])
    rows["test_seconds"] = round(float(data.seconds.sum()))
    return rows


def noise(run: seqloom.Run, manifests: dict[str, str]) -> Rows:
    """At 0 dB, without the n-gram and with it, its weights fitted on noisy validation recordings."""
    model = run.model
    fitted = [float(model.ngram_weight), float(model.word_bonus)]
    model.ngram_weight.zero_()
    model.word_bonus.zero_()
    clean, without = (run.evaluate(manifests[name])["word_error_rate"] for name in ("test", "noisy"))
    run.task.calibrate(run.trained, run.read(manifests["noisy-valid"]))  # type: ignore[attr-defined]
    weights = [float(model.ngram_weight), float(model.word_bonus)]
    with_ngram = run.evaluate(manifests["noisy"])["word_error_rate"]
    return {
        "weights": fitted,
        "without_ngram": round(clean, 4),
        "noisy": {"without": round(without, 4), "with": round(with_ngram, 4), "weights": weights},
    }


def speed() -> Rows:
    """Seconds of sound for each second of one thread: training with augmentation, and recognition of single recordings
    and of a minute, from samples to words."""
    from seqloom.data.corpus import Sources

    lines = digits()
    manifests = held_out("recordings", [line for line in lines if index_of(line) >= 10], lines[:10])
    run = trained("recordings", manifests, UPDATES["recordings"])
    recipe = run.task.recipe(run.plan.settings)
    corpus = recipe.prepare(Sources(manifests[0], manifests[1]))  # type: ignore[union-attr]
    started, sound = time.process_time(), 0.0
    loader = run.task.train_loader(corpus, run.plan.settings, 1)  # type: ignore[attr-defined]
    model, step = run.model.train(), run.codec.features.step_seconds
    for number in range(20):
        batch = loader.batch(0, number)
        loss, _ = run.task.loss(model, batch, None)  # type: ignore[attr-defined]
        loss.sum.backward()
        steps = batch.source_lengths
        sound += step * (float(steps.sum()) if steps is not None else batch.source.shape[0] * batch.source.shape[1])
    training = sound / (time.process_time() - started)
    model.eval()
    data = run.read(manifests[1])
    samples = [sound_of(FOLDER / line[0]) for line in lines if 10 <= index_of(line) < 13]
    run.predict(samples[:3])
    started = time.process_time()
    run.predict(samples)
    single = float(data.seconds.sum()) / (time.process_time() - started)
    minute = np.concatenate(samples)[: 60 * 8_000]
    run.predict([minute])
    started = time.process_time()
    run.predict([minute])
    return {"training": round(training), "single": round(single), "minute": round(60 / (time.process_time() - started))}


def peer() -> Rows:
    """Seconds of the processor for an update, ours with the augmentation of its batches, and SpeechBrain's on the same
    batches, finished. Needs a Python that has it: SEQLOOM_SPEECHBRAIN_PYTHON=PEER/bin/python."""
    import torch

    from seqloom.data.corpus import Sources
    from seqloom.models.transcriber import without_end
    from seqloom.runtime import Runtime
    from seqloom.training.gradients import Objective

    manifests = corpus()
    run = trained("sentences", [manifests["train"], manifests["valid"], manifests["test"]], UPDATES["sentences"])
    settings, task = run.plan.settings, run.task
    data = task.recipe(settings).prepare(Sources(manifests["train"], manifests["valid"]))  # type: ignore[union-attr]
    loader = task.train_loader(data, settings, 1)  # type: ignore[attr-defined]
    objective = Objective(task, run.model.train(), Runtime.start(threads=1))  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(run.model.parameters(), 2e-3)
    arrays: dict[str, Any] = {"batches": _PEER_BATCHES}
    seconds = 0.0
    for number in range(_PEER_BATCHES):
        started = time.process_time()
        batch = loader.batch(0, number)
        total, count, _ = objective(batch, None)
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds += (time.process_time() - started) * (number >= _PEER_WARM_UP)
        rows, steps = batch.source.shape[:2]
        lengths = batch.source_lengths if batch.source_lengths is not None else torch.full((rows,), steps)
        targets, sizes = without_end(batch.targets, batch.lengths)
        arrays |= {f"{name}{number}": part.numpy() for name, part in zip(
            "flts", (batch.source, lengths, targets, sizes), strict=True)}  # fmt: skip
    np.savez(FOLDER / "batches.npz", **arrays)
    ours = seconds / (_PEER_BATCHES - _PEER_WARM_UP)
    rows_of: Rows = {"ours": {"seconds_an_update": round(ours, 4), "parameters": run.num_parameters()}}
    program = Path(__file__).parent / "peers" / "speechbrain_ctc.py"
    for network in ("layers", "crdnn"):
        command = [os.environ["SEQLOOM_SPEECHBRAIN_PYTHON"], str(program), str(FOLDER / "batches.npz"), network]
        command += ["--vocab-size", str(run.codec.tokenizer.vocab_size)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        row = json.loads(printed.splitlines()[-1])
        row["seconds_an_update"] = round(row["seconds_an_update"], 4)
        row["times_ours"] = round(row["seconds_an_update"] / ours, 2)
        rows_of[f"speechbrain, {network}"] = row
    return rows_of


def sound_of(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return np.asarray(samples / 32_768, np.float32)


PARTS = {"recordings": recordings, "speakers": speakers, "sentences": sentences, "speed": speed, "peer": peer}


def main(parts: Sequence[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for part in parts or PARTS:
        rows = PARTS[part]()
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results[part] = {"updates": UPDATES[part], **rows} if part in UPDATES else rows
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(part, json.dumps(results[part], indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
