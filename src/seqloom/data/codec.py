"""What the data, the writers and the codecs of all tasks offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from seqloom.data.token_file import UnknownTokens
from seqloom.files import write_atomic

Example = TypeVar("Example")


@runtime_checkable
class Data(Protocol):
    """Examples as numbers. `len` is 0 where there is nothing to score."""

    def __len__(self) -> int: ...

    @property
    def num_lines(self) -> int: ...


@runtime_checkable
class CountsUnknown(Protocol):
    """Data in which tokens may be unknown."""

    def unknown(self) -> UnknownTokens: ...


StoredOut = TypeVar("StoredOut", bound=Data, covariant=True)


class Writer(Protocol[Example]):
    """Writes examples as numbers into a folder."""

    def add(self, examples: list[Example]) -> None: ...

    def finish(self) -> None:
        """Writes what is left, and closes the files."""
        ...

    def discard(self) -> None:
        """Closes the files, where something failed."""
        ...


class SavedCodec(Protocol):
    """What a run's folder keeps of its data besides the model. `data_kind`: what the data is, in the words of error
    messages."""

    data_kind: ClassVar[str]

    def save(self, folder: Path) -> None: ...

    def fingerprint(self) -> str:
        """The same for those that do the same."""
        ...

    def facts(self) -> dict[str, int]:
        """Its sizes, for the run's summary."""
        ...

    def begin_from(self, earlier: Any) -> SavedCodec:
        """This codec, which is learnt from new data, with the tokens and labels of the codec `earlier` of another run
        first, in their order, so that rows of its tables keep their numbers. Raises RequestError if the other run reads
        another kind of data."""
        ...


class SavedAsJson(ABC):
    """A codec that is one JSON file in the run's folder."""

    file: ClassVar[str]

    @abstractmethod
    def to_json(self) -> str: ...

    def save(self, folder: Path) -> None:
        write_atomic(folder / self.file, self.to_json())

    def fingerprint(self) -> str:
        return self.to_json()


class Codec(SavedCodec, Protocol[Example, StoredOut]):
    """What turns examples into numbers and back: learnt from the training split, kept in the run's folder."""

    def writer(self, folder: Path) -> Writer[Example]: ...
    def open(self, folder: Path) -> StoredOut: ...
