"""A process that works alone."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


class SingleProcess:
    """Does what processes that work on one run together do to wait for one another: there is nobody to wait for."""

    def barrier(self) -> None: ...

    def rank_zero_first(self) -> AbstractContextManager[None]:
        return nullcontext()
