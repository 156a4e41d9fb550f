"""Every transcriber is exported, and hears what its run hears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import seqloom
import seqloom_portable
from seqloom.decoding.transcription.transcripts import COMPILED
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.models.attentional_transcriber import (
    AttentionalTranscriber,
    attentional_settings,
    transcriber_architectures,
)
from seqloom.models.transcriber import InputSettings, Transcriber, frame_encoder
from seqloom.nn.layer import layers
from seqloom.serving.hosted_folder import HostedFolder
from seqloom.tasks.transcribe_search import log_probs
from seqloom_portable.ctc import BLANK, aligned, text_log_probs
from seqloom_portable.ctc_beam import prefix_beam
from seqloom_portable.transcripts import INTERPRETED, Transcript
from tests.contract.test_layers import SMALL
from tests.export.test_networks import away_from_zero, passes
from tests.support.command_line import CommandLine
from tests.support.sounds import RATE, TONES, run_that_hears, spoken, train_sounds, write_wav

pytest.importorskip("soundfile")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return run_that_hears(tmp_path_factory)


@pytest.fixture(scope="module")
def folder(run: seqloom.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "out"
    exporters["onnx"](run, out, ExportOptions())
    return out


@pytest.mark.parametrize("name", list(layers))
@pytest.mark.parametrize("convolutions", [0, 2])
def test_networks_pass_the_gate(name: str, convolutions: int, tmp_path: Path) -> None:
    torch.manual_seed(1)
    fields = layers[name].settings.model_fields
    settings: Any = layers[name].settings(**{key: value for key, value in SMALL.items() if key in fields})
    inputs = InputSettings(dim=8, convolutions=convolutions, kernel_size=3)
    passes(away_from_zero(Transcriber(frame_encoder(6, name, settings, inputs), 5, 0.0, None)), tmp_path)


def test_8_bit_weights_are_measured(run: seqloom.Run, tmp_path: Path) -> None:
    exporters["onnx"](run, tmp_path / "out", ExportOptions(int8=True, max_loss=0.5))
    loss = json.loads((tmp_path / "out" / "parity.json").read_text())["int8"]
    assert loss["score"] == "word accuracy"
    assert loss["int8"] > 0.8


def test_a_folder_hears_what_its_run_hears(run: seqloom.Run, folder: Path, tmp_path: Path) -> None:
    model = seqloom_portable.load(folder)
    texts = ["low", "mid high", "high low mid", "low low"]
    sounds = [spoken(text, seed=seed) for seed, text in enumerate(texts)]
    for options in ({}, {"beam_size": 1}, {"beam_size": 6, "n_best": 3}):
        for got, expected in zip(model.answers(sounds, **options), run.answers(sounds, **options), strict=True):
            assert [transcript.text for transcript in got] == [transcript.text for transcript in expected]
            for ours, theirs in zip(got, expected, strict=True):
                assert ours.score == pytest.approx(theirs.score, abs=1e-3)
                assert [word[:3] for word in ours.words] == [word[:3] for word in theirs.words]
    assert model.predict(sounds) == texts
    path = write_wav(tmp_path / "a.wav", sounds[2], channels=1)
    fast = np.interp(np.arange(0, len(sounds[1]), 0.5), np.arange(len(sounds[1])), sounds[1]).astype(np.float32)
    assert model.predict([str(path), (fast, 2 * RATE)]) == run.predict([str(path), (fast, 2 * RATE)])
    hosted = HostedFolder("", folder, threads=1)
    ((answer,),) = hosted.answers([path.read_bytes()], {})
    assert answer["text"] == texts[2]
    with pytest.raises(seqloom_portable.PortableError, match="input 1 is no row of samples"):
        model.predict([np.zeros((2, 2))])


def test_the_n_gram_model_of_words_leaves_with_the_network(run: seqloom.Run, tmp_path: Path) -> None:
    run.model.ngram_weight.fill_(0.5)
    run.model.word_bonus.fill_(1.0)
    try:
        exporters["onnx"](run, tmp_path / "out", ExportOptions())
        model = seqloom_portable.load(tmp_path / "out")
        sounds = [spoken(text, seed=seed) for seed, text in enumerate(["low mid", "high"])]
        for got, expected in zip(model.answers(sounds, n_best=3), run.answers(sounds, n_best=3), strict=True):
            assert [t.text for t in got] == [t.text for t in expected]
            assert [t.score for t in got] == pytest.approx([t.score for t in expected], abs=1e-3)
    finally:
        run.model.ngram_weight.zero_()
        run.model.word_bonus.zero_()


def test_long_recordings_are_read_in_pieces(tmp_path: Path) -> None:
    run = train_sounds(tmp_path / "run", model="bigru", updates=2, decoding__segment_seconds=1.5)
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    model = seqloom_portable.load(tmp_path / "out")
    with pytest.raises(seqloom_portable.PortableError, match="needs the whole recording"):
        model.listen()
    frames = model.reader.frames(model.reader.log_mel_of(spoken("low mid high " * 5), "input"))
    assert len(frames) * model.features.step_seconds > 3
    (got,), (expected,) = model.log_probs([frames]), log_probs(run.trained, [frames])
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_files_are_named_line_by_line(folder: Path, tmp_path: Path, portable_command: CommandLine) -> None:
    names = [str(write_wav(tmp_path / f"{word}.wav", spoken(word))) for word in ("low", "high")]
    for options in ((), ("--beam-size", 2)):
        answer = portable_command(folder, "predict", *options, standard_input="\n".join(names))
        assert answer.output == "low\nhigh\n"
    refused = portable_command(folder, "predict", "--beam-size", 0, standard_input=names[0])
    assert refused.status == 1
    assert "beam_size and n_best are 1 or more, not 0 and 1" in refused.errors


@pytest.mark.parametrize("name", transcriber_architectures())
def test_networks_with_attention_pass_the_gate(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    architecture = transcriber_architectures()[name]
    small = {"hidden_size": 6, "model_dim": 8, "num_heads": 2, "feed_forward_size": 12, "num_layers": 1}
    parts = {
        part: {key: value for key, value in small.items() if key in layers[layer].settings.model_fields}
        for part, layer in (("encoder", architecture.encoder), ("decoder", architecture.decoder))
    }
    values = {**parts, "embedding": {"dim": 7}, "output": {"kind": "full"}, "input": {"dim": 8, "kernel_size": 3}}
    settings = attentional_settings(architecture)(**values)
    passes(away_from_zero(AttentionalTranscriber.of(architecture, settings, np.arange(9, 0, -1), 6)), tmp_path)


@pytest.mark.filterwarnings("ignore:every transcript is empty")
@pytest.mark.parametrize("ctc_weight", [0.3, pytest.param(0.0, marks=pytest.mark.slow)])
def test_attention_hears_what_its_run_hears(ctc_weight: float, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"ctc__weight": ctc_weight, "decoding__segment_seconds": 1.5}
    run = train_sounds(tmp_path / "run", model="gru+attention", updates=2, **settings)
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    model = seqloom_portable.load(tmp_path / "out")
    sounds = [spoken(text, seed=seed) for seed, text in enumerate(["mid high", "high low mid " * 3])]
    for options in ({"beam_size": 1}, {"beam_size": 4, "n_best": 3}):
        for got, expected in zip(model.answers(sounds, **options), run.answers(sounds, **options), strict=True):
            assert [transcript.text for transcript in got] == [transcript.text for transcript in expected]
            for ours, theirs in zip(got, expected, strict=True):
                assert ours.score == pytest.approx(theirs.score, abs=1e-3)
                assert [word[:3] for word in ours.words] == [word[:3] for word in theirs.words]
    encoded: list[bytes] = []
    run.model.encoder.register_forward_hook(
        lambda _, read, __: encoded.extend(row.numpy().tobytes() for row in read[0])
    )
    run.predict(sounds)
    assert len(encoded) == len(set(encoded)) > 2, "each part of a recording is encoded once"


def test_the_baseline_hears_what_its_run_hears(tmp_path: Path) -> None:
    pytest.importorskip("sklearn.svm")
    manifest = tmp_path / "words.tsv"
    names = [(word, write_wav(tmp_path / f"{word}{seed}.wav", spoken(word, seed=seed)))
             for word in TONES for seed in range(20)]  # fmt: skip
    manifest.write_text("path\ttext\n" + "".join(f"{path.name}\t{word}\n" for word, path in names))
    run = seqloom.train("transcribe", manifest, model="svm", out=tmp_path / "run", threads=1, quiet=True)
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    model = seqloom_portable.load(tmp_path / "out")
    sounds = [spoken(word, seed=seed) for word in TONES for seed in range(30, 33)]
    assert model.predict(sounds) == run.predict(sounds) == [word for word in TONES for _ in range(3)]
    for got, expected in zip(model.answers(sounds, n_best=3), run.answers(sounds, n_best=3), strict=True):
        assert [t.text for t in got] == [t.text for t in expected]
        assert [t.score for t in got] == pytest.approx([t.score for t in expected])


@pytest.mark.parametrize("steps", [1, 3, 12])
def test_texts_have_the_probability_of_all_their_alignments(steps: int) -> None:
    log_probs = np.log(np.random.default_rng(1).dirichlet(np.full(6, 0.5), steps)).astype(np.float32)
    texts = [[], [1], [1, 1], [1, 2, 2, 3], [5] * 7]
    sizes = torch.tensor([len(text) for text in texts])
    padded = torch.tensor([[*text, *[0] * (7 - len(text))] for text in texts])
    rows = torch.from_numpy(log_probs)[:, None].expand(-1, len(texts), -1)
    nats = F.ctc_loss(rows, padded, torch.full((len(texts),), steps), sizes, BLANK, reduction="none")
    np.testing.assert_allclose(text_log_probs(log_probs, texts), -nats.clamp(max=1e30), rtol=1e-5)


@pytest.mark.parametrize("size", [37, 4_000])
def test_a_folder_hears_sound_as_it_comes(run: seqloom.Run, folder: Path, size: int) -> None:
    model = seqloom_portable.load(folder)
    pauses = [np.zeros(RATE, np.float32)] * 2
    sound = np.concatenate([spoken("low"), pauses[0], spoken("mid high"), pauses[1], spoken("high")])
    heard: list[list[Transcript]] = []
    for listener in (model.listen(), run.listen(RATE)):
        parts = [listener.push(sound[at : at + size]) for at in range(0, len(sound), size)]
        heard.append([transcript for part in (*parts, listener.finish()) for transcript in part.utterances])
    ours, theirs = heard
    assert [t.text for t in ours] == [t.text for t in theirs] == ["low", "mid high", "high"]
    assert [t.score for t in ours] == pytest.approx([t.score for t in theirs], abs=1e-3)
    assert [[w[:3] for w in t.words] for t in ours] == [[w[:3] for w in t.words] for t in theirs]


def test_the_command_hears_a_stream(folder: Path, tmp_path: Path, portable_command: CommandLine) -> None:
    sound = np.concatenate([spoken("low"), np.zeros(RATE, np.float32), spoken("mid high")])
    path = write_wav(tmp_path / "a.wav", sound)
    for content, options in ((path.read_bytes(), ()), (path.read_bytes()[44:], ("--rate", RATE))):
        assert portable_command(folder, "listen", *options, standard_input=content).output == "low\nmid high\n"
    stereo = bytearray(path.read_bytes())
    stereo[34:36] = (24).to_bytes(2, "little")
    refused = portable_command(folder, "listen", standard_input=bytes(stereo))
    assert (refused.status, "16-bit" in refused.errors) == (1, True)
    refused = portable_command(folder, "listen", "--rate", 5, standard_input=path.read_bytes()[44:])
    assert (refused.status, "1,000 to 768,000" in refused.errors) == (1, True)


def test_compiled_and_interpreted_searches_find_the_same() -> None:
    log_probs = np.log(np.random.default_rng(1).dirichlet(np.full(6, 0.3), 60)).astype(np.float32)
    interpreted, compiled = (prefix_beam(log_probs, 5, 5, compiled=loops.search) for loops in (INTERPRETED, COMPILED))
    assert [h.token_ids for h in interpreted] == [h.token_ids for h in compiled]
    np.testing.assert_allclose([h.score for h in interpreted], [h.score for h in compiled], rtol=1e-9)
    times = [aligned(log_probs, compiled[0].token_ids, loops.best_states) for loops in (INTERPRETED, COMPILED)]
    for first, second in zip(*times, strict=True):
        np.testing.assert_array_equal(first, second)
