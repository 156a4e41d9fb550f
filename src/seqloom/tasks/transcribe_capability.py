"""The capabilities of tasks that transcribe: listening to sound as it comes, and what a page of transcripts shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from seqloom.tasks.capabilities import Trained

if TYPE_CHECKING:  # these imports are only needed by tasks that implement the capability
    from seqloom.metrics.transcription import TranscriptScores, TranscriptStudy
    from seqloom_portable.listening import Listener


@runtime_checkable
class Listens(Protocol):
    """Transcribes sound as it comes."""

    def listen(self, trained: Trained, rate: int) -> Listener:
        """What takes samples at this rate, in parts, and gives the words heard in them. Raises RequestError where the
        model needs the future."""
        ...


@runtime_checkable
class StudiesTranscripts(Protocol):
    """Says what a page of transcripts shows."""

    def study_transcripts(self, trained: Trained, data: Any) -> TranscriptStudy: ...


@runtime_checkable
class ScoresByGroup(Protocol):
    """Scores transcripts by group: by the number of words, by speaker."""

    def scores_by_group(self, trained: Trained, data: Any) -> dict[str, list[TranscriptScores]]:
        """The groups by their kind; a kind that the data does not tell of has none."""
        ...
