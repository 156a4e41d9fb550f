"""The sizes of the data that a model takes, which must be those of the files beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from seqloom.errors import SeqloomError


@runtime_checkable
class HasDataSizes(Protocol):
    """A model that knows how many token ids, classes or numbers it takes and answers with."""

    def data_sizes(self) -> Mapping[str, int]:
        """The sizes by the names that they have in `SavedCodec.facts`."""
        ...


def check_data_sizes(model: Any, facts: Mapping[str, int], where: str) -> None:
    """Raises SeqloomError if the model takes other data than a codec with these `facts` gives: a token or class without
    a row in the model's matrices would be an index out of range, and compiled loops do not check indices."""
    if not isinstance(model, HasDataSizes):
        return
    for name, size in model.data_sizes().items():
        if facts.get(name) != size:
            raise SeqloomError(
                "the model and the other files of the run do not belong together",
                where=where,
                got=f"{name} {facts.get(name, 0):,}",
                expected=f"{name} {size:,}, as the model has",
                hint="copy the whole folder of the run again",
            )
