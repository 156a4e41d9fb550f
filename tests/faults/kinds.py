"""The small trainings that a campaign breaks and kills: all, or few more than one of each task if it is short."""

from __future__ import annotations

from tests.faults.campaign import SECONDS
from tests.support.small_tasks import NGRAM, SMALL_TASKS

_LONG_SECONDS = 120
KINDS = [name for name in SMALL_TASKS if SECONDS >= _LONG_SECONDS or " " not in name or name == NGRAM]
