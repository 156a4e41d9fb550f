"""Recordings in batches of like length: the stacked frames are the `source`, the transcript is the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqloom.data.batches import Batch
from seqloom.data.example import Frames
from seqloom.data.line_batches import Buckets, frames_with_lengths, line_batch
from seqloom.data.sound.augmentation import Augmentation, AugmentSettings
from seqloom.data.sound.spoken import SpokenData, fewest_steps
from seqloom.data.tokenizer import EOS

_JOINED_WORDS = 4


class SpokenLoader:
    """A batch holds at most `frames` log-mel frames, padding included, and `recordings` rows. `seed=None` keeps one
    order, and changes nothing."""

    def __init__(self, data: SpokenData, frames: int, recordings: int, seed: int | None = None) -> None:
        self.data = data
        self._buckets = Buckets((data.lengths,), frames, seed, recordings)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        numbers = self._buckets.epoch(epoch)[step]
        rows = [self.data.codec.frames(self.data.log_mel(i)) for i in numbers]
        return spoken_batch(rows, [self.data.token_ids[i] for i in numbers])


class AugmentedLoader:
    """The same with changed copies of the recordings, some joined, and rows of silence: batch i is a function of
    (seed, epoch, i)."""

    def __init__(self, data: SpokenData, frames: int, recordings: int, settings: AugmentSettings, seed: int) -> None:
        self.data, self._seed, self._frames, self._recordings = data, seed, frames, recordings
        self._augmentation = Augmentation(settings, data.codec.features)
        single = all(" " not in text for text in data.texts)
        self._join = settings.join or (_JOINED_WORDS if single else 1)
        by_speaker: dict[str, list[int]] = {}
        for number, speaker in enumerate(data.speakers):
            by_speaker.setdefault(speaker, []).append(number)
        self._speakers = [np.array(numbers) for numbers in by_speaker.values()]
        self._plan: tuple[int, list[list[list[int]]]] = (-1, [])

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._epoch(epoch))

    def _epoch(self, epoch: int) -> list[list[list[int]]]:
        """The batches: rows of recordings that are joined. Every recording once; joined ones are of one speaker."""
        if self._plan[0] != epoch:
            rng = np.random.default_rng((self._seed, epoch))
            groups = [group for numbers in self._speakers for group in self._groups(numbers, rng)]
            lengths = np.array([self.data.lengths[group].sum() for group in groups])
            plan = Buckets((lengths,), self._frames, self._seed, self._recordings).epoch(epoch)
            self._plan = (epoch, [[groups[i] for i in rows] for rows in plan])
        return self._plan[1]

    def _groups(self, numbers: NDArray[np.int64], rng: np.random.Generator) -> list[list[int]]:
        order, groups, at = rng.permutation(numbers).tolist(), [], 0
        while at < len(order):
            size = int(rng.integers(1, self._join + 1))
            groups.append(order[at : at + size])
            at += size
        return groups

    def batch(self, epoch: int, step: int) -> Batch:
        rng = np.random.default_rng((self._seed, epoch, step))
        rows, targets = [], []
        for group in self._epoch(epoch)[step]:
            tokens = np.concatenate([self._separated(i, first=i == group[0]) for i in group])
            rows.append(self.data.codec.frames(self._log_mel(group, len(tokens), rng)))
            targets.append(tokens if len(rows[-1]) >= fewest_steps(tokens) else tokens[:0])
        silent = rng.binomial(len(rows), self._augmentation.settings.silence)
        for _ in range(silent):
            frames = max(int(rng.choice(self.data.lengths)), 1)
            level = self.data.codec.quiet
            rows.append(self.data.codec.frames(self._augmentation.silence(frames, level, rng)))
            targets.append(np.zeros(0, np.int64))
        return spoken_batch(rows, targets)

    def _separated(self, number: int, first: bool) -> NDArray[np.int64]:
        """The tokens of a recording, after a space where they are characters and others are before them."""
        if first or not len(self.data.token_ids[number]):
            return self.data.token_ids[number]
        return np.concatenate([self.data.codec.separator, self.data.token_ids[number]])

    def _log_mel(self, group: list[int], tokens: int, rng: np.random.Generator) -> Frames:
        features = self.data.codec.features
        shortest = features.stack + features.stride * tokens // max(len(group), 1)
        parts = [self._augmentation.changed(self.data.log_mel(i), rng, shortest) for i in group]
        frames = self._augmentation.joined(parts, rng) if len(parts) > 1 else parts[0]
        return self._augmentation.masked(frames, rng)


def spoken_batch(rows: list[Frames], targets: list[NDArray[np.int64]]) -> Batch:
    """Targets end in `<eos>`, as a decoder writes them."""
    source, lengths = frames_with_lengths(rows)
    batch = line_batch([np.append(tokens, EOS) for tokens in targets])
    return batch._replace(source=source, source_lengths=lengths)
