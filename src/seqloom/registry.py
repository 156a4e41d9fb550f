"""Registries: entries looked up by name, discovered because their module is in the folder of the registry."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from seqloom.errors import unknown_name

T = TypeVar("T")


class Description(NamedTuple):
    """What an entry is, in one sentence of at most 90 characters, and the paper that it comes from, if any."""

    text: str
    source: str = ""

    @classmethod
    def of(cls, entry: object) -> Description:
        """The attributes `description` and `source` of a class or an object."""
        return cls(getattr(entry, "description", ""), getattr(entry, "source", ""))


class Registry(Generic[T]):
    """Maps names to entries of one kind, which the modules of `package` register.

    A look-up imports only the module that has the name of the entry; if there is none, or the names are listed, all
    modules of the package are imported.

    To add an entry, put a file into the folder and decorate what is in it with `@registry.register("name")`. A class
    has the attributes `description` and `source`; the description of a function is an argument of `register`.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._entries: dict[str, T] = {}
        self._descriptions: dict[str, Description] = {}
        self._discovered = False

    def register(self, name: str, description: str = "") -> Callable[[T], T]:
        def add(entry: T) -> T:
            assert name not in self._entries, f"two {self.kind}s are named {name}"
            self._entries[name] = entry
            self._descriptions[name] = Description(description) if description else Description.of(entry)
            return entry

        return add

    def _modules(self) -> list[str]:
        return [module.name for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__)]

    def _discover(self) -> dict[str, T]:
        if not self._discovered:
            for module in self._modules():
                importlib.import_module(f"{self.package}.{module}")
            self._discovered = True
        return self._entries

    def __getitem__(self, name: str) -> T:
        module = name.replace("-", "_")
        if name not in self._entries and module in self._modules():
            importlib.import_module(f"{self.package}.{module}")  # the imports of the others may be slow
        if name in self._entries:
            return self._entries[name]
        entries = self._discover()
        if name not in entries:
            raise unknown_name(self.kind, name, entries)
        return entries[name]

    def describe(self, name: str) -> Description:
        """The description of an entry. Raises RequestError with the nearest name if there is no such entry."""
        _ = self[name]
        return self._descriptions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._discover()))

    def __len__(self) -> int:
        return len(self._discover())
