"""The ids of known tokens, which may be words or characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from seqloom.data.tokenizer import SPECIALS, UNK


@dataclass(frozen=True)
class Vocabulary:
    """`tokens` by falling frequency, with ids from 4 on, after `<pad> <unk> <sos> <eos>`."""

    tokens: tuple[str, ...]

    @classmethod
    def learn(cls, counts: Counter[str], min_count: int, size: int) -> Vocabulary:
        """The tokens that occur at least `min_count` times, the most frequent ones up to `size` ids (0: no limit)."""
        ranked = sorted((token for token, count in counts.items() if count >= min_count), key=lambda t: (-counts[t], t))
        return cls(tuple(ranked[: max(size - len(SPECIALS), 0)] if size else ranked))

    def __len__(self) -> int:
        return len(SPECIALS) + len(self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens, len(SPECIALS))}

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """The id of each token, that of `<unk>` for unknown ones."""
        return [self._ids.get(token, UNK) for token in tokens]
