"""Hallucinated pairs, for few training pairs of letters: what a target copies from its source, the stem, gets random
letters, the same on both sides (Anastasopoulos and Neubig 2019)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.line_batches import Row
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import SPECIALS, Tokenizer
from seqloom.errors import RequestError

_LEAST = 3
"""Tokens of a copied stretch: fewer may be equal by chance, or an ending."""

_TAIL = 2
"""Tokens at the end of a copied stretch that stay, because endings depend on them, as in vowel harmony."""


class Stem(NamedTuple):
    """`size` tokens that are the same in a source and its target, and the place of the first one on either side."""

    in_source: int
    in_target: int
    size: int


def copied_stems(source: Sequence[Hashable], target: Sequence[Hashable]) -> list[Stem]:
    """The stretches of three tokens or more that a target copies, without the last two tokens of each, in order. Found
    are the longest stretch, then the longest before and after it, and so on (Ratcliff and Metzener 1988)."""
    blocks = SequenceMatcher(None, source, target, autojunk=False).get_matching_blocks()
    return [Stem(block.a, block.b, block.size - _TAIL) for block in blocks if block.size >= _LEAST]


class Hallucination:
    """Gives a random `share` of the pairs of a batch other letters in their copied stems. A letter is drawn as often as
    it occurs in stems. Features are not copied into a target, so they remain; a pair without a copied stem
    remains as it is. The draw is a function of the seed, the epoch and the step, so that runs resume exactly.

    Raises RequestError if no pair has a copied stem, or if the tokens of a side are subwords.
    """

    def __init__(
        self, source: TokenFile, target: TokenFile, tokenizers: tuple[Tokenizer, Tokenizer], share: float, seed: int
    ) -> None:
        self._share, self._seed = share, seed
        _check_letters(tokenizers, share)
        self._source_ids, self._target_ids = _ids_of_the_other_side(*(side.tokens() for side in tokenizers))
        numbers = range(target.num_lines)
        rows = list(zip(source.rows(numbers), target.rows(numbers), strict=True))
        self._stems = [copied_stems(self._target_ids[read].tolist(), written.tolist()) for read, written in rows]
        letters = [
            written[first : first + size]
            for (_, written), stems in zip(rows, self._stems, strict=True)
            for _, first, size in stems
        ]
        if not letters:
            raise RequestError(
                f"no target copies {_LEAST} tokens in a row from its source, so there is no stem to change",
                where="data.hallucinate",
                got=share,
                expected="0, or pairs of letters such as a lemma and its form",
            )
        self._letters = np.concatenate(letters)

    def __call__(
        self, numbers: NDArray[np.int64], sources: Sequence[Row], targets: Sequence[Row], epoch: int, step: int
    ) -> tuple[list[Row], list[Row]]:
        """The rows of the batch at this step, some of them with other stems. `numbers`: which pairs they are."""
        rng = np.random.default_rng((self._seed, epoch, step))
        read, written = list(sources), list(targets)
        for row in np.flatnonzero(rng.random(len(numbers)) < self._share).tolist():
            source, target = np.array(read[row]), np.array(written[row])
            for in_source, in_target, size in self._stems[numbers[row]]:
                letters = rng.choice(self._letters, size)
                target[in_target : in_target + size] = letters
                source[in_source : in_source + size] = self._source_ids[letters]
            read[row], written[row] = source, target
        return read, written


def _ids_of_the_other_side(source: Sequence[str], target: Sequence[str]) -> tuple[NDArray[np.int64], ...]:
    """The source id of each target id, and the target id of each source id; -1 for tokens that the other side does not
    have, and for special tokens, which are never copied."""
    maps = []
    for names, others in ((target, source), (source, target)):
        ids = {name: number for number, name in enumerate(others) if number >= len(SPECIALS)}
        maps.append(np.array([ids.get(name, -1) for name in names], np.int64))
    return tuple(maps)


def _check_letters(tokenizers: tuple[Tokenizer, Tokenizer], share: float) -> None:
    for side, tokenizer in zip(("source", "target"), tokenizers, strict=True):
        if tokenizer.kind not in ("character", "word"):
            raise RequestError(
                "the pairs cannot be hallucinated, because a stem consists of letters",
                where="data.hallucinate",
                got=f"{share} with {tokenizer.kind} tokens of the {side}",
                expected="tokenizer.kind=character, or word where blanks are between the letters",
            )
