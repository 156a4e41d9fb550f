"""What one request may ask for, and how many requests may wait."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

from seqloom.serving.response_error import ResponseError


@dataclass(frozen=True)
class Limits:
    """`body_bytes` of a request; `items` in its lists; `characters` of one text; `tokens` written for one prompt, or
    steps of a forecast; `beam` and `answers` of one input; `waiting` requests beside the one that is worked on;
    `seconds` for a request, after which it ends with status 504."""

    body_bytes: int = 4 << 20
    items: int = 256
    characters: int = 20_000
    tokens: int = 2_000
    beam: int = 16
    answers: int = 20
    waiting: int = 128
    seconds: float = 30.0

    def check_items(self, name: str, items: Sized) -> None:
        self.check(name, len(items), self.items, "items")

    def check_text(self, name: str, text: str) -> None:
        self.check(name, len(text), self.characters, "characters")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ResponseError(422, "the text holds a lone surrogate, which is no character", name)

    @staticmethod
    def check(name: str, size: float, most: float, unit: str = "") -> None:
        """Raises the ResponseError of a request that asks for more than `most`."""
        if size > most:
            raise ResponseError(422, f"{name} is too large: {size:,} {unit}".rstrip() + f"; at most {most:,}", name)
