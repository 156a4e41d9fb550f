"""The transcription task: every model trains and answers; parts and streams hear what the whole does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import seqloom
from seqloom.data.sound.sound_file import Sound
from seqloom.data.tokenizer import EOS, SOS
from seqloom.decoding.transcription.transcripts import log_probs_of
from seqloom.errors import RequestError, SeqloomWarning
from seqloom.models.transcriber import InputSettings, Transcriber, TranscriberOutputSettings
from seqloom.nn.layer import layers, select_rows
from seqloom.run import make_settings
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.transcribe_language import fusion_of, warn_of_blanks
from seqloom_portable.ctc_beam import Fusion
from seqloom_portable.transcripts import Transcript, quiet_cuts
from tests.support.small_runs import assert_same_run
from tests.support.sounds import (
    RATE,
    SMALL_NETWORK,
    run_that_hears,
    spoken,
    train_sounds,
    write_recordings,
    write_wav,
)

pytest.importorskip("soundfile")
TASK = tasks["transcribe"]
CAUSAL = [name for name in layers if layers[name].causal]


def test_a_filter_that_is_subtracted_again_is_refused() -> None:
    with pytest.raises(RequestError, match="changes nothing"):
        make_settings("transcribe", "gru", {"augment.filter_db": 5.0})
    make_settings("transcribe", "gru", {"augment.filter_db": 5.0, "features.subtract": "smooth"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return run_that_hears(tmp_path_factory)


@pytest.mark.parametrize("model", ["bigru", "cnn", "transformer", "gru+attention", "bitransformer+attention"])
def test_models_train_and_answer(model: str, tmp_path: Path) -> None:
    run = train_sounds(tmp_path / "run", model=model, updates=3)
    again = seqloom.load(tmp_path / "run", threads=1)
    sounds = [spoken("low mid"), spoken("high", 1)]
    assert again.predict(sounds) == run.predict(sounds)
    assert again.summary["score"] == "word_error_rate"
    assert again.summary["valid"].keys() >= {"word_error_rate", "character_error_rate", "exact_match"}


def test_weights_are_chosen_by_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rising = iter(np.linspace(0.1, 0.9, 20))  # the first word error rate would be the best
    monkeypatch.setattr(type(TASK), "output_metrics", lambda *_, **__: {"word_error_rate": float(next(rising))})
    run = train_sounds(tmp_path / "run", updates=20, training__evaluations=5)
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["valid_nats_per_token"] for row in rows]
    assert min(losses) < losses[0]
    assert run.summary["best_updates"] == rows[losses.index(min(losses))]["updates"]


def test_every_layer_is_a_model() -> None:
    assert set(layers) <= set(TASK.models())


def test_tones_are_told_apart(run: seqloom.Run, tmp_path: Path) -> None:
    texts = ["low", "mid high", "high low mid", "low low"]
    sounds = [spoken(text, seed=seed) for seed, text in enumerate(texts)]
    assert run.predict(sounds) == texts
    path = write_wav(tmp_path / "a.wav", sounds[2])
    assert run.predict([str(path)]) == [texts[2]]
    fast = np.interp(np.arange(0, len(sounds[1]), 0.5), np.arange(len(sounds[1])), sounds[1]).astype(np.float32)
    assert run.predict([Sound(fast, 2 * RATE)]) == [texts[1]]
    assert run.predict([np.zeros(RATE, np.float32)]) == [""]


def test_words_have_times_and_confidence(run: seqloom.Run) -> None:
    ((best, *others),) = run.answers([spoken("high low mid")], n_best=4)
    assert isinstance(best, Transcript)
    assert [word.text for word in best.words] == ["high", "low", "mid"]
    for number, word in enumerate(best.words):
        assert word.start == pytest.approx(0.1 + 0.25 * number, abs=0.13)
        assert word.start < word.end <= 0.95
        assert 0.3 < word.confidence <= 1
    assert all(best.score >= other.score for other in others)
    assert len({answer.text for answer in (best, *others)}) == 1 + len(others)
    assert json.loads(json.dumps(best.to_json()))["words"][0]["text"] == "high"


def test_answers_keep_the_order(run: seqloom.Run) -> None:
    sounds = [spoken("low mid high"), spoken("high"), spoken("mid low")]
    assert run.predict(sounds) == [run.predict([sound])[0] for sound in sounds]


def test_windows_of_recordings_and_unreadable_ones_change_no_answer(
    run: seqloom.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `skip_bad`, what stands before an unreadable recording is answered first."""
    monkeypatch.setattr("seqloom.tasks.transcribe._RECORDINGS_AT_ONCE", 2)
    texts = ["low", "mid high", "high", "low mid"]
    sounds = [spoken(text, seed) for seed, text in enumerate(texts)]
    assert run.predict(sounds) == texts
    sounds.insert(3, np.zeros(0, np.float32))
    with pytest.warns(SeqloomWarning, match="input 4"):
        assert run.predict(sounds, skip_bad=True) == [*texts[:3], "", *texts[3:]]
    answers = run.answers(sounds)
    assert [next(answers)[0].text for _ in range(3)] == texts[:3]
    with pytest.raises(RequestError, match="input 4"):
        next(answers)


@pytest.mark.parametrize("options", [{"n_best": 0}, {"beam_size": 0}, {"length_penalty": 1.0}])
def test_options_are_checked(run: seqloom.Run, options: dict[str, float]) -> None:
    with pytest.raises(RequestError):
        list(run.answers([spoken("low")], **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("sound", [np.zeros((3, 2)), np.zeros(0), 3.0])
def test_what_is_no_recording_is_refused(run: seqloom.Run, sound: object) -> None:
    with pytest.raises(RequestError):
        run.predict([sound])


def test_a_comparison_counts_speakers_where_they_are_held_out(run: seqloom.Run, tmp_path: Path) -> None:
    manifest = write_recordings(tmp_path / "recordings.tsv", 24)
    of_recordings = run.task.example_scores(run.trained, run.read(manifest))
    assert of_recordings.by_group() is of_recordings
    settings = run.plan.settings.model_copy(
        update={"data": run.plan.settings.data.model_copy(update={"speaker_independent": True})}
    )
    of_speakers = run.task.example_scores(run.trained._replace(settings=settings), run.read(manifest)).by_group()
    assert (of_speakers.unit, len(of_speakers.sums)) == ("group", 2)
    assert of_speakers.value == pytest.approx(of_recordings.value)


def test_scores_by_length_and_speaker(run: seqloom.Run) -> None:
    data = run.read(run.plan.sources.data)
    groups = TASK.scores_by_group(run.trained, data)  # type: ignore[attr-defined]
    assert [row.group for row in groups["length"]] == ["1 word", "2 words", "3 words"]
    assert {row.group for row in groups["speaker"]} == {"voice0", "voice1"}
    assert sum(row.recordings for row in groups["speaker"]) == data.num_lines
    assert run.evaluate(data)["word_error_rate"] < 0.1


def test_a_list_of_words_bounds_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("low\nmid\n")
    run = train_sounds(
        tmp_path / "run", updates=2, tokenizer__kind="character", language__words=str(tmp_path / "words.txt")
    )
    for answers in run.answers([spoken("low mid"), spoken("high")], n_best=5, beam_size=10):
        assert all(word in ("low", "mid") for answer in answers for word in answer.text.split())


@pytest.mark.parametrize("layer", CAUSAL)
def test_the_whole_chunks_and_single_frames_agree(layer: str) -> None:
    """Of causal layers; the convolution before them too."""
    settings_class = layers[layer].settings
    small = {"hidden_size": 6, "num_layers": 2, "model_dim": 8, "order": 3, "output_size": 6, "memory_size": 5}
    layer_settings = settings_class(**{n: v for n, v in small.items() if n in settings_class.model_fields})

    class Settings:
        model, input, output = layer_settings, InputSettings(dim=8, convolutions=2), TranscriberOutputSettings()

    model = Transcriber.build(layer, Settings, 10, 7, None).eval()
    frames = torch.randn(2, 23, 10)
    with torch.no_grad():
        whole = model(frames)
        for sizes in ([1] * 23, [5, 1, 9, 8]):
            state, parts = model.initial_state(2), []
            for part in frames.split(sizes, dim=1):
                log_probs, state = model.step(part, state)
                parts.append(log_probs)
            assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
        assert select_rows(state, torch.tensor([1])) is not None


def test_padding_changes_nothing() -> None:
    for layer in ("bigru", "cnn", "tcn"):

        class Settings:
            model = layers[layer].settings(hidden_size=6, num_layers=2)
            input, output = InputSettings(dim=8), TranscriberOutputSettings()

        model = Transcriber.build(layer, Settings, 10, 7, None).eval()
        frames = torch.randn(2, 20, 10)
        with torch.no_grad():
            alone = model(frames[1:, :9])
            together = model(frames, torch.tensor([20, 9]))
        assert torch.allclose(together[1:, :9], alone, atol=1e-5)


def test_pieces_are_joined_without_a_word_lost_or_repeated() -> None:
    """A window of overlap is all that a network of this reach needs: the pieces' outputs are the whole's."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 30)).astype(np.float32) for n in (7, 95, 40)]

    def reach_of_five(frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
        padded = torch.nn.functional.pad(frames, (0, 0, 5, 5))
        return sum(padded[:, k : k + frames.shape[1]] * (k + 1) for k in range(11))  # type: ignore[return-value]

    device = torch.device("cpu")
    whole = [np.concatenate(list(log_probs_of(reach_of_five, [row], device))) for row in rows]
    for row, pieces in zip(whole, log_probs_of(reach_of_five, rows, device, 20, 5), strict=True):
        assert np.allclose(row, pieces, atol=1e-4)
    cuts = quiet_cuts(rows[1], 20)
    assert cuts[0] == 0
    assert cuts[-1] == 95
    assert max(np.diff(cuts)) <= 20


def test_a_long_recording_is_cut_where_it_is_quiet(run: seqloom.Run) -> None:
    texts = ["low mid high", "high high low", "mid low"] * 4
    sound = np.concatenate([np.pad(spoken(text, seed=seed), (800, 800)) for seed, text in enumerate(texts)])
    expected = " ".join(texts).split()
    heard = run.predict([sound])[0].split()
    assert len(heard) == len(expected)
    assert np.mean([a == b for a, b in zip(heard, expected, strict=True)]) > 0.9


def test_interrupted_training_ends_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With augmentation: the changes of a batch are a function of seed, epoch and step."""
    from tests.support.small_runs import signal_after

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    train_sounds(tmp_path / "a" / "run", updates=12, data__frames_per_batch=400)
    with monkeypatch.context() as patch:
        signal_after(patch, 5)
        train_sounds(tmp_path / "b" / "run", updates=12, data__frames_per_batch=400)
    train_sounds(tmp_path / "b" / "run", updates=12, data__frames_per_batch=400, resume=True)
    assert_same_run(tmp_path / "a" / "run", tmp_path / "b" / "run")


def test_that_ctc_is_stuck_at_blanks_is_said_once() -> None:
    class Network:
        training_batches, warned_of_blanks = 400, False

    network = Network()
    with pytest.warns(SeqloomWarning, match="stuck at blanks"):
        warn_of_blanks(network, ["low"], [""], brief=True)
    warn_of_blanks(network, ["low"], [""], brief=True)
    network.training_batches, network.warned_of_blanks = 3, False
    warn_of_blanks(network, ["low"], [""], brief=True)
    warn_of_blanks(network, [""], [""], brief=False)


def test_the_search_is_built_once_for_all_recordings(run: seqloom.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[None] = []

    def counting(trained: Trained) -> Fusion | None:
        searches.append(None)
        return fusion_of(trained)

    monkeypatch.setattr("seqloom.tasks.transcribe_search.fusion_of", counting)
    run.predict([spoken("low"), spoken("mid"), spoken("high")])
    assert len(searches) == 1


def test_scheduled_sampling_changes_the_loss_of_a_decoder_with_attention(tmp_path: Path) -> None:
    """And only in training."""
    run = train_sounds(tmp_path / "run", model="gru+attention", updates=2, decoder__scheduled_sampling=0.9)
    network = run.model
    frames, texts = torch.randn(2, 30, run.codec.features.size), torch.tensor([[5, 6, 5, EOS], [6, 5, 6, EOS]])
    inputs = torch.cat([torch.full((2, 1), SOS), texts[:, :-1]], dim=1)

    def loss(rate: float, training: bool) -> float:
        network.scheduled_sampling = rate
        for module in network.modules():
            module.training = False
        network.training = training  # without dropout
        torch.manual_seed(1)
        return float(network.transcript_loss(frames, None, inputs, texts, None).detach())

    assert network.scheduled_sampling == 0.9
    assert loss(0.9, training=True) != loss(0, training=True)
    assert loss(0.9, training=False) == loss(0, training=False)


def test_a_folder_of_recordings_is_one_source(tmp_path: Path) -> None:
    """It is not read as several files of text, neither in training nor in answers."""
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    write_recordings(sounds / "manifest.tsv")
    settings = {**SMALL_NETWORK, "training.checkpoint_seconds": 3600}
    run = seqloom.train(
        "transcribe", sounds, model="gru", updates=2, out=tmp_path / "run", threads=1, quiet=True, settings=settings
    )
    assert len(list(run.inputs(str(sounds)))) == 90
    assert run.plan.contents == {}


def test_the_baseline_tells_words_apart(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "words").mkdir()
    lines = []
    for number in range(90):
        word = ("low", "mid", "high")[number % 3]
        write_wav(tmp_path / "words" / f"{number}.wav", spoken(word, number % 2, number))
        lines.append(f"words/{number}.wav\t{word}")
    (tmp_path / "words.tsv").write_text("\n".join(lines))
    run = seqloom.train("transcribe", str(tmp_path / "words.tsv"), model="svm", out=tmp_path / "run", quiet=True)
    again = seqloom.load(tmp_path / "run", threads=1)
    words = ["low", "high", "mid"]
    assert again.predict([spoken(word, seed=99) for word in words]) == words
    assert run.summary["valid"]["word_error_rate"] == 0
    ((best, second),) = again.answers([spoken("mid", seed=98)], n_best=2)
    assert best.score > second.score


def test_the_baseline_refuses_sentences(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    lines = []
    for number in range(40):
        write_wav(tmp_path / f"{number}.wav", spoken("low", seed=number))
        lines.append(f"{number}.wav\tlow {number}")
    (tmp_path / "x.tsv").write_text("\n".join(lines))
    with pytest.raises(RequestError, match="whole texts"):
        seqloom.train("transcribe", str(tmp_path / "x.tsv"), model="svm", out=tmp_path / "run", quiet=True)
