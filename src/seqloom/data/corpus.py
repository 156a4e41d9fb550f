"""From the user's files to numbers on disk: splits, one codec, all cached by what it depends on."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from seqloom.data.codec import Codec, CountsUnknown, Data, SavedCodec
from seqloom.data.groups import group_of
from seqloom.data.input_source import content_hash, files_of, rereadable
from seqloom.data.splits import NEWEST_RULE, Split, SplitRule, Splits, check_split_options, draw_splits
from seqloom.data.tables.columns import GROUP, parse_columns
from seqloom.data.token_file import batches
from seqloom.errors import RequestError, SeqloomError, collected_warnings, warn, warn_again
from seqloom.files import hashed_reads, writing
from seqloom.storage.folder import facts_of, is_whole, new_folder

_SHARE = 0.05
_FEW_TOKENS = 1_000
_FORMAT = 5  # raised when the layout of cached files changes


Example = TypeVar("Example")
Stored = TypeVar("Stored", bound=Data)


@dataclass(frozen=True)
class Recipe(Generic[Example, Stored]):
    """How a task's files become data.

    `read` yields the examples of a path. `learn` makes the codec: it is given what yields the training examples (as
    often as it is called) and where they are from. `load` finds a codec that was saved in a folder. `settings` says
    all else that the outcome depends on. Examples of one `identity` fall on the same side of a split; where a
    column of groups is chosen, those of one `group`. Each `stratum`, such as a label, is held out in proportion.
    `cut` divides an example at a character of its identity, where examples are lines of a running text: a text of
    few lines is split by position. There is a warning if more than the share `most_unknown` of the tokens is not in
    the vocabulary. `check` raises an error for a codec, and where it is from, that nothing can be learnt with.
    """

    read: Callable[[str], Iterator[Example]]
    learn: Callable[[Callable[[], Iterable[Example]], str], Codec[Example, Stored]]
    load: Callable[[Path], Codec[Example, Stored]]
    settings: str
    identity: Callable[[Example], str]
    stratum: Callable[[Example], str] = lambda _: ""
    group: Callable[[Example], str] | None = None
    cut: Callable[[Example, int], tuple[Example, Example]] | None = None
    most_unknown: float = 0.2
    check: Callable[[Any, str], None] = lambda _, __: None

    def depending_on(self, columns: str) -> Recipe[Example, Stored]:
        """The same recipe, of which `read` depends on the `columns` too, one of which may be that of groups."""
        if not columns:
            return self
        group = group_of if GROUP.name in parse_columns(columns) else None
        return replace(self, settings=f"{self.settings} {columns}", group=group)

    def beginning_with(self, earlier: SavedCodec, grows: bool) -> Recipe[Example, Stored]:
        """The same recipe, whose codec begins with the `earlier` one. If it `grows`, the tokens and labels that only
        the new data has come after the earlier ones; otherwise it is the earlier one."""

        def learn(examples: Callable[[], Iterable[Example]], where: str) -> Any:
            return self.learn(examples, where).begin_from(earlier) if grows else earlier

        return replace(self, learn=learn, settings=f"{self.settings} {_key(earlier.fingerprint())} {grows}")

    def unit(self, example: Example) -> str:
        """Equal for examples that stay together: the group of the example, or its identity where it is in none."""
        return (self.group(example) if self.group is not None else "") or self.identity(example)

    def check_groups(self, path: str) -> None:
        """Raises RequestError where a column of groups is chosen and names none."""
        if self.group is not None and not any(map(self.group, self.examples(path))):
            raise RequestError(
                "no example has a group", where=path, expected="a column with the name of each example's group",
                hint="choose another column: --columns group=NAME",
            )  # fmt: skip

    def held_out_part(self, sources: Sources) -> str:
        """What of the data is held out to validate and as much again to test, in words."""
        return sources.drawn_part("examples", "equal ones" if self.group is None else "those of one group")

    def examples(self, path: str) -> Iterator[Example]:
        """Yields the examples of all files that a path denotes: see `files_of`."""
        return (example for file in files_of(path) for example in self.read(file))


class CustomRecipe(Protocol):
    """A recipe that splits and encodes its data itself: series in time, recordings by their sound, examples that are
    generated."""

    def load(self, folder: Path) -> SavedCodec: ...
    def beginning_with(self, earlier: Any, grows: bool) -> CustomRecipe: ...
    def prepare(self, sources: Sources) -> Corpus[Any, Any]: ...
    def encode(self, name: str, codec: Any) -> Any: ...

    def held_out_part(self, sources: Sources) -> str:
        """What of the data is held out to validate and as much again to test, in words."""
        ...

    def fingerprint(self, name: str) -> str:
        """The same for names that stand for the same."""
        ...


@dataclass(frozen=True)
class Sources:
    """Where the text is. A missing `valid` or `test` is held out of `data`, 5 % each; where only `valid` is given,
    nothing is held out for a test. `split_seed` draws other parts; with `folds`, number `fold` of so many is the test
    part; `split_rule`: see `SplitRule.version`. `replay`: data of an earlier training, which is mixed in until it is
    the share `replay_share` of all targets; it is split as `data` is."""

    data: str
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    split_rule: int = NEWEST_RULE
    fold: int = 0
    folds: int = 0
    replay: str | None = None
    replay_share: float | None = None

    def __post_init__(self) -> None:
        check_split_options(self.split_seed, self.split_rule, self.fold, self.folds, has_test=self.test is not None)

    def paths(self) -> dict[str, str]:
        """The files by their roles, those that are given."""
        roles = {"data": self.data, "valid": self.valid, "test": self.test, "replay": self.replay}
        return {role: path for role, path in roles.items() if path is not None}

    def shares(self) -> dict[Split, float]:
        """The parts of `data` that are held out."""
        shares: dict[Split, float] = {}
        if self.valid is None:
            shares["valid"] = _SHARE
        if self.folds:
            shares["test"] = 1 / self.folds
        elif self.valid is None and self.test is None:
            shares["test"] = _SHARE
        return shares

    def drawn_part(self, examples: str, together: str = "equal ones") -> str:
        """The part that is drawn to validate, and as much again to test, in words."""
        return f"{100 * _SHARE:g} % of the {examples}, {together} on one side, split seed {self.split_seed}"

    def check_nothing_drawn(self, how: str) -> None:
        """Raises RequestError where the data is split in another way, `how`, and a draw is requested all the same."""
        if self.folds or self.split_seed:
            raise RequestError(f"{how}, not drawn", where="folds" if self.folds else "split_seed")

    def rule(self) -> SplitRule:
        return SplitRule(self.shares(), self.split_seed, self.split_rule, self.fold, self.folds)


@dataclass(frozen=True)
class Corpus(Generic[Example, Stored]):
    """A codec and the splits that there are. `replay`: data of an earlier training that is mixed in."""

    codec: SavedCodec
    train: Stored
    valid: Stored
    test: Stored | None
    replay: Replay | None = None


@dataclass(frozen=True)
class Replay:
    """Data of an earlier training, split as that was. `share`: that of its targets in training."""

    train: Any
    valid: Any
    share: float


def prepare(sources: Sources, recipe: Recipe[Example, Stored] | CustomRecipe, cache: Path) -> Corpus[Example, Stored]:
    """Reads, splits and encodes, or finds what an earlier call with equal content and settings left in `cache`.

    Raises SeqloomError where a split that training needs holds nothing.
    """
    if not isinstance(recipe, Recipe):
        return recipe.prepare(sources)
    rule = sources.rule()
    data = rereadable(sources.data, cache)
    content = content_hash(data)
    codec, splits = codec_and_splits(data, content, recipe, rule, cache, where=sources.data)
    parts = _encode_splits(data, content, recipe, splits, codec, cache)
    for split, path in (("valid", sources.valid), ("test", sources.test)):
        if path is not None:
            parts[split] = encode(path, recipe, codec, cache)  # type: ignore[index]
    check_parts(parts, sources)
    return Corpus(codec, parts["train"], parts["valid"], parts.get("test"))


def check_parts(parts: Mapping[Split, Data], sources: Sources, unit: str = "line") -> None:
    """Raises SeqloomError where a part to validate or to test on holds nothing; `unit` is what an example is called."""
    roles: dict[Split, str] = {"valid": "validate", "test": "test"}
    for split, verb in roles.items():
        if split in parts and not len(parts[split]):
            raise SeqloomError(
                f"there is no {unit} to {verb} on",
                where=getattr(sources, split) or sources.data,
                got=f"{sum(part.num_lines for part in parts.values())} {unit}s in all",
                expected=f"at least one {unit} in every split",
                hint=f"give more data, or a file of its own with --{split}",
            )


def codec_and_splits(
    data: str, content: str, recipe: Recipe[Example, Stored], rule: SplitRule, cache: Path, where: str
) -> tuple[Codec[Example, Stored], Splits]:
    """The splits of the file `data`, whose hash is `content`, and the codec that is learnt from its training examples.
    `where`: where the data is from, for errors."""
    folder = cache / _key("codec", content, recipe.settings, rule.to_json())
    with _cached(folder, data, content) as temporary:
        if temporary is not None:
            recipe.check_groups(data)
            examples = ((recipe.unit(example), recipe.stratum(example)) for example in recipe.examples(data))
            splits = draw_splits(examples, rule, where, by_position=recipe.cut is not None)

            def training_examples() -> Iterator[Example]:
                parts = splits.divide(recipe.examples(data), recipe.unit, recipe.cut)
                return (example for split, example in parts if split == "train")

            codec = recipe.learn(training_examples, where)
            recipe.check(codec, where)
            codec.save(temporary)
            splits.save(temporary)
    return recipe.load(folder), Splits.load(folder, rule)


def encode(
    path: str, recipe: Recipe[Example, Stored] | CustomRecipe, codec: Codec[Example, Stored], cache: Path
) -> Stored:
    """The whole of one file, cached."""
    if not isinstance(recipe, Recipe):
        return recipe.encode(path, codec)
    path = rereadable(path, cache)
    return _encode_splits(path, content_hash(path), recipe, Splits(SplitRule({})), codec, cache)["train"]


def _encode_splits(
    path: str,
    content: str,
    recipe: Recipe[Example, Stored],
    splits: Splits,
    codec: Codec[Example, Stored],
    cache: Path,
) -> dict[Split, Stored]:
    parts: list[Split] = ["train", *splits.rule.shares]
    folder = cache / _key("data", content, recipe.settings, splits.rule.to_json(), codec.fingerprint())
    with _cached(folder, path, content) as temporary, ExitStack() as open_writers:
        if temporary is not None:
            writers = {split: codec.writer(temporary / split) for split in parts}
            for writer in writers.values():
                open_writers.callback(writer.discard)
            for batch in batches(splits.divide(recipe.examples(path), recipe.unit, recipe.cut)):
                by_split: dict[Split, list[Example]] = {split: [] for split in parts}
                for split, example in batch:
                    by_split[split].append(example)
                for split, examples in by_split.items():
                    writers[split].add(examples)
            for writer in writers.values():
                writer.finish()
            _warn_of_unknown(codec.open(temporary / "train"), path, recipe.most_unknown)
    return {split: codec.open(folder / split) for split in parts}


def _warn_of_unknown(data: Data, path: str, most_unknown: float) -> None:
    if not isinstance(data, CountsUnknown):
        return
    unknown, tokens = data.unknown()
    if tokens >= _FEW_TOKENS and unknown > most_unknown * tokens:
        warn(
            "many tokens of the text are not in the vocabulary; all of them count as one, <unk>",
            where=path,
            got=f"{unknown:,} of {tokens:,} tokens ({unknown / tokens:.0%})",
            expected=f"up to {most_unknown:.0%}",
            hint="tokenizer.kind=bpe knows every text, also one without whitespace between words",
        )


@contextmanager
def _cached(folder: Path, path: str, content: str) -> Iterator[Path | None]:
    """A temporary folder to write what is made of the file `path` into, which then becomes `folder`; None where that is
    there already and whole. What was warned of when it was made is warned of again.

    Raises SeqloomError where the file, whose hash was `content`, changed while it was read.
    """
    if is_whole(folder):
        warn_again(facts_of(folder)["warnings"])
        yield None
        return
    if folder.exists():
        warn("what the cache holds of this file is damaged, and is made anew", where=path, got=str(folder))
        with writing(folder):
            shutil.rmtree(folder)
    facts: dict[str, Any] = {}
    with new_folder(folder, facts) as temporary:
        with hashed_reads(path) as hashes, collected_warnings() as messages:
            yield temporary
        facts["warnings"] = messages
        if any(seen != content for seen in hashes or [content_hash(path)]):
            raise SeqloomError(
                "the file changed while it was read", where=path, hint="try again when nothing writes to it"
            )


def clear(cache: Path) -> None:
    """Forgets every prepared corpus."""
    shutil.rmtree(cache, ignore_errors=True)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([str(_FORMAT), *parts]).encode()).hexdigest()[:24]
