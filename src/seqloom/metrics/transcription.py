"""Scores of transcripts: word and character error rates, as a whole, by length and by speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from seqloom.data.example import Frames
from seqloom.data.sound.sound_file import Sound
from seqloom.metrics.by_length import buckets
from seqloom.metrics.edit_distance import edit_distance


class TranscriptScores(NamedTuple):
    """Of the recordings of `group`: edits by the words (characters) of the references; shares that may exceed 1.
    `exact_match`: the share of recordings without an error."""

    group: str
    recordings: int
    word_error_rate: float
    character_error_rate: float
    exact_match: float


class WrongTranscript(NamedTuple):
    """A recording with word errors, and all that is needed to hear and see it. `transcript`: a `Transcript`."""

    name: str
    speaker: str
    reference: str
    transcript: Any
    edits: int
    sound: Sound
    log_mel: Frames


class TranscriptStudy(NamedTuple):
    """What a page of transcripts shows; `worst`: the recordings with the most word errors."""

    scores: TranscriptScores
    by_length: list[TranscriptScores]
    by_speaker: list[TranscriptScores]
    worst: list[WrongTranscript]


def word_edits(reference: str, hypothesis: str) -> tuple[int, int]:
    """The number of edits from a hypothesis to its reference, and the number of words in the reference."""
    words = reference.split()
    return edit_distance(hypothesis.split(), words), len(words)


def transcript_scores(references: Sequence[str], hypotheses: Sequence[str], group: str = "all") -> TranscriptScores:
    """If no reference has a word, the word error rate is the number of words in the hypotheses."""
    words = [word_edits(*pair) for pair in zip(references, hypotheses, strict=True)]
    characters = [(edit_distance(h, r), len(r)) for r, h in zip(references, hypotheses, strict=True)]
    return TranscriptScores(
        group,
        len(references),
        sum(edits for edits, _ in words) / max(sum(count for _, count in words), 1),
        sum(edits for edits, _ in characters) / max(sum(count for _, count in characters), 1),
        sum(not edits for edits, _ in words) / max(len(words), 1),
    )


def scores_by_words(references: Sequence[str], hypotheses: Sequence[str]) -> list[TranscriptScores]:
    """In buckets of the number of words, short ones first."""
    lengths = [len(reference.split()) for reference in references]
    rows = []
    for low, high in buckets(lengths):
        name = f"{low} word{'' if low == 1 else 's'}" if low == high else f"{low} to {high} words"
        rows.append(_of(references, hypotheses, [low <= n <= high for n in lengths], name))
    return rows


def scores_by_speaker(
    references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str]
) -> list[TranscriptScores]:
    """The worst first; none where no speaker is known."""
    known = sorted({speaker for speaker in speakers if speaker})
    rows = [_of(references, hypotheses, [s == name for s in speakers], name) for name in known]
    return sorted(rows, key=lambda row: -row.word_error_rate)


def _of(references: Sequence[str], hypotheses: Sequence[str], in_group: Sequence[bool], group: str) -> TranscriptScores:
    pairs = [(r, h) for r, h, counts in zip(references, hypotheses, in_group, strict=True) if counts]
    return transcript_scores([r for r, _ in pairs], [h for _, h in pairs], group)
