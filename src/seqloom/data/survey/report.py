"""The result of a survey, and the parts that surveys of different kinds of data share."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seqloom.data.corpus import Sources
from seqloom.data.input_source import files_of
from seqloom.data.splits import cut_line, draw_splits
from seqloom.data.survey.kinds import Kind
from seqloom.data.survey.texts import text_facts, unknown_rate
from seqloom.data.tables.columns import columns_text
from seqloom.errors import SeqloomError

MOST_EXAMPLES = 200_000
"""A survey reads this many examples at most."""
_FEW, _FEW_LABELS = 100, 10


class Suggestion(NamedTuple):
    """A task and models to start with. `options`: what `seqloom train` needs besides the data."""

    task: str
    models: tuple[str, ...]
    reason: str
    options: tuple[str, ...] = ()


@dataclass
class Survey:
    """`facts` by their names in the order of the screen; `wrong`: what looks like a mistake in the data."""

    source: str
    facts: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    suggestion: Suggestion | None = None


def read_examples(read: Callable[[str], Iterator[Any]], path: str, result: Survey) -> list[Any]:
    """The first examples of all files that the path denotes."""

    def stream() -> Iterator[Any]:
        for file in files_of(path):
            yield from read(file)

    return first_of(stream(), result)


def first_of(stream: Iterator[Any], result: Survey) -> list[Any]:
    """The first examples; an error that ends them is part of the survey."""
    examples: list[Any] = []
    try:
        for example in itertools.islice(stream, MOST_EXAMPLES):
            examples.append(example)  # noqa: PERF402, what was read before an error is kept
    except SeqloomError as error:
        result.wrong.insert(0, f"reading stops here: {error}")
    if not examples and not result.wrong:
        result.wrong.append("there are no examples")
    elif 0 < len(examples) < _FEW:
        result.wrong.append(f"there are only {len(examples)} examples; scores on so few are uncertain")
    return examples


def count_of(examples: Sequence[Any], noun: str) -> str:
    more = " (the first of them; there are more)" if len(examples) == MOST_EXAMPLES else ""
    return f"{len(examples):,} {noun}{more}"


def split_of(
    examples: Sequence[Any], identity: Callable[[Any], str], stratum: Callable[[Any], str], result: Survey,
    by_position: bool = False, by_group: bool = False,
) -> dict[str, list[Any]]:  # fmt: skip
    """The examples of each part as a training without --valid and --test would have them."""
    rule = Sources(result.source).rule()
    try:
        keys = ((identity(example), stratum(example)) for example in examples)
        splits = draw_splits(keys, rule, result.source, by_position)
    except SeqloomError as error:
        result.wrong.append(str(error))
        return {"train": list(examples), "valid": [], "test": []}
    parts: dict[str, list[Any]] = {"train": [], "valid": [], "test": []}
    for part, example in splits.divide(examples, identity, cut_line if by_position else None):
        parts[part].append(example)
    how = "by position" if splits.stretches else "by group" if by_group else "by content"
    result.facts["split"] = ", ".join(f"{name} {len(part):,}" for name, part in parts.items()) + f" ({how})"
    return parts


def survey_texts(texts: Sequence[str], noun: str, result: Survey) -> None:
    facts = text_facts(texts)
    result.facts["length"] = facts.words.in_words("words")
    share = facts.near / len(texts)
    result.facts["duplicates"] = (
        f"{facts.duplicates:,} of the {noun}"
        + (f"; {facts.near:,} without case, whitespace and final punctuation" if facts.near > facts.duplicates else "")
    )  # fmt: skip
    if share > 0.2:
        result.wrong.append(
            f"{100 * share:.0f} % of the {noun} occur more than once; equal ones are kept in one part of the split"
        )
    if facts.words.most > max(50 * facts.words.high, 2_000):
        result.wrong.append(f"number {facts.words.place + 1:,} of the {noun} has {facts.words.most:,} words")
    if facts.unspaced > 0.2:
        result.wrong.append(
            f"{100 * (facts.unspaced):.0f} % of the {noun} have no spaces between words; set tokenizer.kind=bpe"
        )
    if facts.is_decomposed:
        result.wrong.append("accents are written in two ways (NFC and NFD); convert the text: uconv -x any-nfc")
    if facts.with_control:
        result.wrong.append(f"{noun} with control characters: {facts.with_control:,}")


def survey_unknown(train: Sequence[str], held_out: Sequence[str], lowercase: bool, result: Survey) -> float:
    rate = unknown_rate(train, held_out, lowercase) if held_out else 0.0
    result.facts["unknown"] = (
        f"{100 * rate:.1f} % of the words in the validation part occur less than twice in the training part"
    )
    return rate


def survey_labels(labels: Sequence[str], result: Survey, noun: str = "labels") -> Counter[str]:
    """The counts of labels or tags, and what looks wrong with them."""
    counts = Counter(labels)
    few = len(counts) if len(counts) <= _FEW_LABELS else _FEW_LABELS - 1
    shown = ", ".join(f"{label} ({count:,})" for label, count in counts.most_common(few))
    rarest = f", .. the rarest ({min(counts.values()):,})" if len(counts) > few else ""
    result.facts[noun] = f"{len(counts):,}: {shown}{rarest}"
    rare = [label for label, count in counts.items() if count < 10]
    if rare:
        result.wrong.append(f"{noun} that occur less than 10 times: {len(rare):,} ({', '.join(rare[:5])})")
    label, most = counts.most_common(1)[0]
    if most > 0.9 * len(labels) and len(counts) > 1:
        result.wrong.append(f"{100 * (most / len(labels)):.0f} % of the {noun} are {label!r}; look at macro F1")
    if len(counts) > 0.5 * len(labels):
        result.wrong.append(f"most {noun} occur once; are these classes?")
    return counts


def column_options(kind: Kind) -> tuple[str, ...]:
    return ("--columns", columns_text(kind.columns)) if kind.columns else ()


def quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:38]}..")
