"""Frames of sound: the whole, parts, and single samples give the same; what augmentation does is drawn from a seed."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from seqloom.data.sound.augmentation import Augmentation, AugmentSettings
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom_portable.frame_pipeline import FramePipeline
from seqloom_portable.log_mel import LogMel, mel_filters
from tests.support.sounds import RATE, spoken

SOUND = spoken("low mid high low")
SETTINGS = FeatureSettings(rate=RATE, bands=20)


def test_a_tone_is_loudest_in_its_band() -> None:
    time = np.arange(RATE) / RATE
    for pitch in (200.0, 1_000.0, 3_000.0):
        frames = LogMel(SETTINGS).frames(np.sin(2 * np.pi * pitch * time).astype(np.float32))
        filters = mel_filters(20, LogMel(SETTINGS).window, RATE)
        nearest = filters[round(pitch * 2 * (len(filters) - 1) / RATE)].argmax()
        assert abs(int(frames.mean(0).argmax()) - int(nearest)) <= 1


def test_louder_sound_has_more_energy_by_its_square() -> None:
    quiet, loud = (LogMel(SETTINGS).frames(SOUND * gain)[20] for gain in (0.1, 1.0))
    assert (loud - quiet).max() == pytest.approx(np.log(100), abs=0.05)


@hypothesis.given(strategies.lists(strategies.integers(1, 700), min_size=1, max_size=20))
def test_sound_in_parts_has_the_frames_of_the_whole(sizes: list[int]) -> None:
    whole, stream, at, parts = LogMel(SETTINGS).frames(SOUND), LogMel(SETTINGS).stream(), 0, []
    for size in [*sizes, len(SOUND)]:
        parts.append(stream.push(SOUND[at : at + size]))
        at += size
    assert np.allclose(np.concatenate(parts), whole, atol=1e-4)


@pytest.mark.parametrize(
    ("normalise", "subtract", "loudness_power"),
    [("running", "bands", 0.0), ("running", "smooth", 0.3), ("training", "bands", 0.0)],
)
@pytest.mark.parametrize(("deltas", "stack", "stride"), [(0, 1, 1), (0, 3, 2), (2, 3, 3), (1, 4, 2)])
def test_frames_in_parts_are_stacked_as_the_whole_is(
    normalise: str, subtract: str, loudness_power: float, deltas: int, stack: int, stride: int
) -> None:
    settings = FeatureSettings(
        rate=RATE, bands=20, deltas=deltas, stack=stack, stride=stride, normalise=normalise, subtract=subtract,
        loudness_power=loudness_power,
    )  # fmt: skip
    frames, rng = LogMel(settings).frames(SOUND), np.random.default_rng(0)
    mean, deviation = frames.mean(0) + 1, frames.std(0)
    whole = FramePipeline(settings, mean, deviation).all_frames(frames)
    assert whole.shape == (settings.steps(np.array([len(frames)]))[0], settings.size)
    for sizes in (np.ones(len(frames), int), rng.integers(1, 9, len(frames))):
        pipeline, at, parts = FramePipeline(settings, mean, deviation), 0, []
        for size in sizes:
            parts.append(pipeline.push(frames[at : at + size]))
            at += size
        assert np.allclose(np.concatenate(parts), whole, atol=1e-5)


def test_the_smooth_part_is_subtracted_and_the_vowel_stays() -> None:
    settings = FeatureSettings(rate=RATE, bands=20, stack=1, stride=1, subtract="smooth")
    frames = LogMel(settings).frames(SOUND)
    mean, deviation = frames.mean(0), np.ones(20, np.float32)
    slope = np.cos(np.pi * (np.arange(20) + 0.5) / 20)
    vowel = np.exp(-((np.arange(20) - 12.0) ** 2))

    def read(change: np.ndarray, subtract: str = "smooth") -> np.ndarray:
        pipeline = FramePipeline(settings.model_copy(update={"subtract": subtract}), mean, deviation)
        return pipeline.all_frames((frames + change).astype(np.float32))

    assert np.allclose(read(3.0 + 2.0 * slope), read(0.0 * slope), atol=1e-4)
    assert np.allclose(read(vowel, "bands"), read(0.0 * vowel, "bands"), atol=1e-4)
    assert (read(vowel) - read(0.0 * vowel))[:, 12].mean() > 0.5


@pytest.mark.parametrize("normalise", ["recording", "running"])
def test_silence_around_a_word_changes_a_mean_by_loudness_little(normalise: str) -> None:
    frames = LogMel(SETTINGS).frames(SOUND)
    silence = np.full((len(frames), 20), frames.mean() - 10, np.float32)
    changes = []
    for power in (0.0, 0.5):
        settings = FeatureSettings(
            rate=RATE, bands=20, stack=1, stride=1, normalise=normalise, loudness_power=power, memory_seconds=0.1
        )
        alone, after = (
            FramePipeline(settings, frames.mean(0), np.ones(20, np.float32)).all_frames(sound)[-20:]
            for sound in (frames, np.concatenate([silence, frames]))
        )
        changes.append(float(np.abs(after - alone).max()))
    assert changes[1] < 0.1 * changes[0]


def test_filters_are_drawn_only_where_they_are_not_subtracted() -> None:
    frames = LogMel(SETTINGS).frames(SOUND)
    others = {"speed": 0.0, "vocal_tract": 0.0, "noise": 0.0, "gain_db": 0.0}
    for subtract, is_filtered in (("smooth", True), ("bands", False)):
        features = SETTINGS.model_copy(update={"subtract": subtract})
        augmentation = Augmentation(AugmentSettings(**others), features)
        change = augmentation.changed(frames, np.random.default_rng(1)) - frames
        assert np.ptp(change, axis=0).max() < 1e-4
        assert (np.ptp(change) > 0.5) == is_filtered


def test_a_short_recording_has_one_step() -> None:
    settings = FeatureSettings(rate=RATE, bands=20, stack=8)
    frames = LogMel(settings).frames(SOUND[:300])
    assert FramePipeline(settings, frames[0], frames[0]).all_frames(frames).shape == (1, 160)


def test_augmentation_is_a_function_of_the_seed() -> None:
    frames = LogMel(SETTINGS).frames(SOUND)
    augmentation = Augmentation(AugmentSettings(noise=1.0), SETTINGS)

    def changed(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        copies = [augmentation.masked(augmentation.changed(frames, rng), rng) for _ in range(3)]
        return augmentation.joined(copies, rng)

    assert np.array_equal(changed(1), changed(1))
    assert changed(1).shape != changed(2).shape
    assert np.isfinite(changed(3)).all()


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    frames = LogMel(SETTINGS).frames(SOUND)
    none = AugmentSettings(
        speed=0, vocal_tract=0, noise=0, gain_db=0, frequency_masks=0, time_masks=0, join=1, silence=0
    )
    augmentation, rng = Augmentation(none, SETTINGS), np.random.default_rng(0)
    assert np.allclose(augmentation.masked(augmentation.changed(frames, rng), rng), frames, atol=1e-6)


def test_noise_adds_energy_at_the_ratio_that_is_asked_for() -> None:
    frames = LogMel(SETTINGS).frames(SOUND)
    only_noise = AugmentSettings(speed=0, vocal_tract=0, noise=1.0, gain_db=0, loudest_noise_db=0.0)
    augmentation = Augmentation(only_noise, SETTINGS)
    for seed in range(5):
        noisy = augmentation.changed(frames, np.random.default_rng(seed))
        added = (np.exp(noisy) - np.exp(frames)).mean() / np.exp(frames).mean()
        assert 1e-4 < added < 1.3
