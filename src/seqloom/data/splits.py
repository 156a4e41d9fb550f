"""Which examples are held out: by their content, in proportion to the labels, and enough of them in each part."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar

from seqloom.errors import RequestError, SeqloomError
from seqloom.files import write_atomic

Split = Literal["train", "valid", "test"]
Example = TypeVar("Example")

FIRST_RULE, NEWEST_RULE = 1, 2
"""The rule of runs whose `config.toml` names none, and that of new ones: see `SplitRule.version`."""

LEAST_EXAMPLES = 20
"""That a part holds where a fifth of all examples are as many; of fewer examples it is a fifth."""
LEAST_CHARACTERS = 1_000
"""The same for a text that is split by position."""
MOST_FOLDS = 1_000

_FEWEST_TO_SPLIT = 10
_FEWEST_CHARACTERS = 2_000
_MOST_GROUPS = 200_000
"""Beyond so many groups of equal examples, chance alone keeps the proportions."""
_LONGEST_WORD = 100
_FINAL_PUNCTUATION = re.compile(r"[\s.,;:!?\u3002\uff01\uff1f]+$")
_FILE = "splits.json"


def same_text(identity: str) -> str:
    """Equal for texts that differ in case, in whitespace or in their final punctuation alone."""
    folded = " ".join(identity.casefold().split())
    return _FINAL_PUNCTUATION.sub("", folded) or folded


@dataclass(frozen=True)
class SplitRule:
    """What share of the examples falls into each part that is held out, and how: `seed` draws others.

    With `folds`, the examples are divided into so many parts of like size, and number `fold`, from 1, is the test part.
    `FIRST_RULE` as `version` takes each example on its own, by the hash of its content as it is written.
    """

    shares: Mapping[Split, float]
    seed: int = 0
    version: int = NEWEST_RULE
    fold: int = 0
    folds: int = 0

    def key(self, identity: str) -> int:
        """Equal for examples that stay together; evenly spread from 0 to 2**64 - 1 otherwise."""
        if self.version == FIRST_RULE:
            return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest())
        salt = self.seed.to_bytes(16, "little")
        return int.from_bytes(hashlib.blake2b(same_text(identity).encode(), digest_size=8, salt=salt).digest())

    def part_by_key(self, key: int) -> Split:
        """The part of a group of examples where there are very many groups."""
        shares = dict(self.shares)
        if self.folds:
            if key % self.folds == self.fold - 1:
                return "test"
            del shares["test"]
        position = key / 2**64
        for split, share in shares.items():
            if position < share:
                return split
            position -= share
        return "train"

    def least(self, split: Split, total: int, floor: int) -> int:
        """Of `total` examples or characters, how many `split` holds."""
        return max(round(self.shares[split] * total), min(floor, total // 5))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Splits:
    """How the examples of a file are divided.

    `held_out`: the groups of examples that are held out, by their keys. Where it is None there are so many groups that
    each falls into a part by its key alone. `stretches`, of a text that is split by position: at which character each
    stretch of it begins, and the part to which the stretch belongs.
    """

    rule: SplitRule
    held_out: Mapping[int, Split] | None = None
    stretches: Sequence[tuple[int, Split]] = ()

    def split_of(self, identity: str) -> Split:
        key = self.rule.key(identity)
        return self.rule.part_by_key(key) if self.held_out is None else self.held_out.get(key, "train")

    def divide(
        self,
        examples: Iterable[Example],
        identity: Callable[[Example], str],
        cut: Callable[[Example, int], tuple[Example, Example]] | None,
    ) -> Iterator[tuple[Split, Example]]:
        """Each example with the part to which it belongs. A line of a text that is split by position is cut where a
        stretch ends."""
        if not self.stretches:
            yield from ((self.split_of(identity(example)), example) for example in examples)
            return
        assert cut is not None
        ends = [begin for begin, _ in self.stretches[1:]]
        position = stretch = 0
        for example in examples:
            remainder = example
            while stretch < len(ends) and position + len(identity(remainder)) > ends[stretch]:
                before, remainder = cut(remainder, max(ends[stretch] - position, 0))
                position += len(identity(before))
                if identity(before):
                    yield self.stretches[stretch][1], before
                stretch += 1
            position += len(identity(remainder))
            if identity(remainder):
                yield self.stretches[stretch][1], remainder

    def save(self, folder: Path) -> None:
        held_out = None if self.held_out is None else list(self.held_out.items())
        write_atomic(folder / _FILE, json.dumps({"held_out": held_out, "stretches": self.stretches}))

    @classmethod
    def load(cls, folder: Path, rule: SplitRule) -> Splits:
        saved = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        groups = saved["held_out"]
        held_out = None if groups is None else {int(key): split for key, split in groups}
        return cls(rule, held_out, tuple((begin, split) for begin, split in saved["stretches"]))


def cut_line(line: str, position: int) -> tuple[str, str]:
    """Both parts of a line, cut at the first whitespace from `position` on, or there where no whitespace is near."""
    space = re.compile(r"\s").search(line, position, position + _LONGEST_WORD)
    at = space.start() if space else min(position, len(line))
    return line[:at].rstrip(), line[at:].lstrip()


def draw_splits(examples: Iterable[tuple[str, str]], rule: SplitRule, where: str, by_position: bool = False) -> Splits:
    """Splits examples, each an identity and a stratum such as its label, which are read once.

    Examples of one identity (see `same_text`) are a group, and stay together. Of each stratum, the groups with the
    lowest keys are held out, until there are `shares` of its examples. A part holds `LEAST_EXAMPLES` or a fifth of all
    at least; where every group has more, it is the smallest group. `by_position`: a text of a few long lines, or one
    that is mostly a single line, is split by position instead. Raises SeqloomError where there are too few examples for
    that.
    """
    if rule.version == FIRST_RULE or not rule.shares:
        return Splits(rule)
    sizes: dict[int, int] = {}
    strata: dict[str, list[int]] = defaultdict(list)
    total = characters = longest = 0
    for identity, stratum in examples:
        key = rule.key(identity)
        if key not in sizes:
            strata[stratum].append(key)  # an identity with several labels is in the stratum of the first
        sizes[key] = sizes.get(key, 0) + 1
        total += 1
        characters += len(identity)
        longest = max(longest, len(identity))
        if len(sizes) > _MOST_GROUPS:
            return Splits(rule)
    few_lines = total < max(_FEWEST_TO_SPLIT, 2 * rule.folds) or longest > characters / 2
    if by_position and few_lines and characters >= _FEWEST_CHARACTERS:
        return Splits(rule, {}, _stretches(rule, characters))
    if not total:
        return Splits(rule, {})  # what learns from the training examples says that there are none
    held_out: dict[int, Split] = {}
    for split in sorted(rule.shares):  # the test part first: it is the same fold whether one validates or not
        if split == "test" and rule.folds:
            folds = draw_folds(strata, sizes, rule.folds)
            held_out |= {key: split for key, fold in folds.items() if fold == rule.fold}
            continue
        remaining = {name: [key for key in sorted(keys) if key not in held_out] for name, keys in strata.items()}
        size = rule.least(split, total, LEAST_EXAMPLES)
        groups = _in_proportion(remaining, sizes, size) or _smallest(remaining, sizes)
        held_out |= dict.fromkeys(groups, split)
    _check_parts(held_out, sizes, rule, where)
    return Splits(rule, held_out)


def draw_folds(strata: Mapping[str, Sequence[int]], sizes: Mapping[int, int], folds: int) -> dict[int, int]:
    """The fold, from 1, of each group: every stratum evenly over the folds, and the folds of like size.

    `strata` has the keys of groups by stratum, `sizes` the number of examples of each group.
    """
    fold_of: dict[int, int] = {}
    totals = [0] * folds
    for name in sorted(strata):
        counts = [0] * folds
        for key in sorted(strata[name], key=lambda key: (-sizes[key], key)):
            smallest = min(range(folds), key=lambda fold: (counts[fold], totals[fold], fold))
            counts[smallest] += sizes[key]
            totals[smallest] += sizes[key]
            fold_of[key] = smallest + 1
    return fold_of


def _stretches(rule: SplitRule, characters: int) -> tuple[tuple[int, Split], ...]:
    """The last characters of a text to test on, or those of the fold, and those beside them to validate on."""
    size = {split: rule.least(split, characters, LEAST_CHARACTERS) for split in rule.shares}
    first, last = characters - size.get("test", 0), characters
    if rule.folds:
        first, last = ((rule.fold - 1) * characters // rule.folds, rule.fold * characters // rule.folds)
    before = first >= size.get("valid", 0)  # of the first folds, the validation part stands after the test part
    valid = (first - size.get("valid", 0), first) if before else (last, last + size.get("valid", 0))
    parts: list[tuple[int, int, Split]] = [(*valid, "valid"), (first, last, "test")]
    stretches: dict[int, Split] = {0: "train"}
    for begin, end, split in sorted(parts):
        if begin < end:
            stretches |= {begin: split, end: "train"}
    stretches.pop(characters, None)
    return tuple(stretches.items())


def _check_parts(held_out: Mapping[int, Split], sizes: Mapping[int, int], rule: SplitRule, where: str) -> None:
    total, parts = sum(sizes.values()), set(held_out.values())
    fewest = max(_FEWEST_TO_SPLIT, 2 * rule.folds)
    enough = total >= _FEWEST_TO_SPLIT and len(sizes) >= 2 * rule.folds
    if enough and parts >= rule.shares.keys() and len(held_out) < len(sizes):
        return
    raise SeqloomError(
        "there are too few examples to hold some out",
        where=where,
        got=f"{total} in all, {len(sizes)} different",
        expected=f"{fewest} different ones or more",
        hint="give more data, "
        + ("or fewer folds" if len(sizes) >= _FEWEST_TO_SPLIT else "or files of their own with --valid and --test"),
    )


def _in_proportion(strata: Mapping[str, list[int]], sizes: Mapping[int, int], size: int) -> list[int]:
    """Groups of `size` examples in all, of each stratum in proportion to its size."""
    totals = {name: sum(sizes[key] for key in keys) for name, keys in strata.items()}
    share = size / max(sum(totals.values()), 1)
    exact = {name: share * total for name, total in totals.items()}
    quotas = {name: math.floor(number) for name, number in exact.items()}
    largest_remainders = sorted(exact, key=lambda name: (quotas[name] - exact[name], name))
    for name in largest_remainders[: size - sum(quotas.values())]:
        quotas[name] += 1
    groups = []
    for name, keys in strata.items():
        room = quotas[name]
        for key in keys:
            if sizes[key] <= room:
                groups.append(key)
                room -= sizes[key]
    return groups


def _smallest(strata: Mapping[str, list[int]], sizes: Mapping[int, int]) -> list[int]:
    """The group with the fewest examples; none where there is no group."""
    return sorted((key for keys in strata.values() for key in keys), key=lambda key: (sizes[key], key))[:1]


def check_split_options(seed: int, rule: int, fold: int, folds: int, has_test: bool) -> None:
    """Raises RequestError where they are out of range, or contradict each other."""
    limits = {
        "split_seed": (seed, 0, 2**63),
        "split_rule": (rule, FIRST_RULE, NEWEST_RULE),
        "folds": (folds, 0 if not fold else 2, MOST_FOLDS),
        "fold": (fold, 1 if folds else 0, folds),
    }
    for name, (value, least, most) in limits.items():
        if type(value) is not int or not least <= value <= most:
            raise RequestError(f"{name} is out of range", where=name, got=value, expected=f"{least} to {most}")
    if folds == 1:
        raise RequestError("folds is out of range", where="folds", got=1, expected="2 or more")
    if folds and has_test:
        raise RequestError("each fold is a test part", where="folds", hint="leave out either the folds or --test")
