"""Which runs go together in an ensemble."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.errors import RequestError
from seqloom.tasks.capabilities import Trained


def check_shared_codec(members: Sequence[Trained], what: str) -> None:
    """Raises RequestError unless all members of an ensemble read and answer the same. `what` they share is named."""
    first, *others = (member.codec for member in members)
    for number, other in enumerate(others, 1):
        if type(other) is not type(first) or other.fingerprint() != first.fingerprint():
            raise RequestError(
                f"the runs of an ensemble must share their {what}",
                where=f"ensemble, run {number}",
                hint="train them on the same data with the same tokenizer or vocabulary settings and other seeds",
            )
