"""Surveys of texts, pairs of texts, labelled texts or numbers, and tagged sentences or steps."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from seqloom.data.example import Labelled, content
from seqloom.data.groups import group_of
from seqloom.data.input_source import files_of
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.labelled import holds_label_sets, labelled
from seqloom.data.readers.lines import lines
from seqloom.data.readers.pairs import Pair, pairs
from seqloom.data.readers.tagged import other_columns, tagged
from seqloom.data.readers.tagged_steps import tagged_steps
from seqloom.data.survey.kinds import Kind
from seqloom.data.survey.report import (
    Suggestion,
    Survey,
    column_options,
    count_of,
    quoted,
    read_examples,
    split_of,
    survey_labels,
    survey_texts,
    survey_unknown,
)
from seqloom.data.survey.texts import Lengths, text_facts
from seqloom.data.tables.columns import GROUP, columns_text
from seqloom.data.targets import LabelSets, TargetKind, look_like_numbers, separator_of_sets
from seqloom.errors import SeqloomError
from seqloom_portable.spans import mark_spans

_FIRST_LABELS = 2_000
"""By which it is judged what the labels are."""
_FEW_PAIRS = 1_000
_FOR_FEW_PAIRS = ("--set", "data.hallucinate=0.8")
"""What suits so few pairs of letters (`benchmarks/few_pairs.py`)."""
_MOST_LABELS = 0.1
"""A column of annotations has at most this many different values, as a share of its cells."""


def survey_text(path: str, kind: Kind, result: Survey) -> None:
    texts: list[str] = read_examples(lambda file: lines(file, columns_text(kind.columns)), path, result)
    if not texts:
        return
    result.facts["examples"] = count_of(texts, "lines")
    survey_texts(texts, "lines", result)
    parts = split_of(texts, str, lambda _: "", result, by_position=True)
    rate = survey_unknown(parts["train"], parts["valid"], False, result)
    options = ("--set", "tokenizer.kind=bpe") if rate > 0.08 else ()
    result.suggestion = Suggestion(
        "language-model", ("ngram", "lstm", "transformer"),
        "text without labels: predict the next token" + ("; subwords, since many words are rare" if options else ""),
        options,
    )  # fmt: skip


def survey_pairs(path: str, kind: Kind, result: Survey) -> None:
    from seqloom.data.pairs import kind_for

    examples = read_examples(lambda file: pairs(file, columns_text(kind.columns)), path, result)
    if not examples:
        return
    result.facts["examples"] = count_of(examples, "pairs")
    sources, targets = [pair.source for pair in examples], [pair.target for pair in examples]
    for name, texts in (("source ", sources), ("target ", targets)):
        result.facts[f"{name}length"] = text_facts(texts).words.in_words("words")
    by_source: dict[str, set[str]] = defaultdict(set)
    for pair in examples:
        by_source[pair.source].add(pair.target)
    several = sum(len(answers) > 1 for answers in by_source.values())
    repeated = len(examples) - len(set(examples))
    result.facts["duplicates"] = f"{repeated:,} of the pairs; sources with several targets: {several:,}"
    if repeated > 0.2 * len(examples):
        result.wrong.append(f"{100 * repeated / len(examples):.0f} % of the pairs equal an earlier one")
    if (same := sum(pair.source == pair.target for pair in examples)) > 0.02 * len(examples):
        result.wrong.append(f"targets equal to their source: {same:,} ({100 * same / len(examples):.0f} %)")
    lengths = np.array([[len(side) for side in pair] for pair in examples], np.float64) + 1
    ratio = np.log(lengths[:, 1] / lengths[:, 0])
    odd = np.flatnonzero((np.abs(ratio - np.median(ratio)) > np.log(6)) & (lengths.max(1) > 40))
    if len(odd):
        result.wrong.append(
            f"pairs that differ in length far more than the others: {len(odd):,}; the first is number {odd[0] + 1:,}, "
            f"{quoted(sources[odd[0]])} and {quoted(targets[odd[0]])}"
        )
    kinds = kind_for(sources[:20_000]), kind_for(targets[:20_000])
    result.facts["tokens"] = f"{kinds[0]} for the source, {kinds[1]} for the target (tokenizer.kind=auto)"
    parts = split_of(
        examples, lambda pair: group_of(pair) or pair.source, lambda _: "", result, by_group=GROUP.name in kind.columns
    )
    if "word" in kinds:
        side = kinds.index("word")
        train, valid = ([pair[side] for pair in parts[name]] for name in ("train", "valid"))
        survey_unknown(train, valid, False, result)
    reason, options = "one sequence for another: sources and targets", column_options(kind)
    of_letters = "bpe" not in kinds
    if len(examples) < _FEW_PAIRS and of_letters and _targets_copy_stems(examples, kinds):
        reason += "; random letters for the stems, since the pairs are few"
        options = (*options, *_FOR_FEW_PAIRS)
    models = ("lstm+attention", "joint-ngram", "gru") if of_letters else ("lstm+attention", "gru", "transformer")
    result.suggestion = Suggestion("translate", models, reason, options)


def _targets_copy_stems(examples: Sequence[Pair], kinds: tuple[str, str]) -> bool:
    """Whether the tokens of the targets are letters, and most targets copy a stem from their source. `kinds`:
    character, or word for letters with blanks between them."""
    from seqloom.data.hallucination import copied_stems

    sides = [[text.split() if kind == "word" else list(text) for text, kind in zip(pair, kinds, strict=True)]
             for pair in examples]  # fmt: skip
    mean_length = np.mean([len(token) for pair in sides for token in pair[1]] or [0])
    return bool(mean_length < 2) and sum(bool(copied_stems(*pair)) for pair in sides) > 0.5 * len(sides)


def survey_labelled(path: str, kind: Kind, result: Survey) -> None:
    target = _target(path, kind)
    examples: list[Labelled] = read_examples(
        lambda file: labelled(file, columns_text(kind.columns), target), path, result
    )
    if not examples:
        return
    result.facts["examples"] = count_of(examples, "examples")
    reason, options = _survey_targets([example.label for example in examples], target, path, kind, result)
    texts = [example.source for example in examples if isinstance(example.source, str)]
    steps = [len(example.source) for example in examples]
    if texts:
        survey_texts(texts, "texts", result)
        if target == "class" and (conflicting := _conflicts(examples)):
            result.wrong.append(
                f"texts that occur with different labels: {conflicting:,} "
                f"({100 * conflicting / len(examples):.1f} %); no model can be right about all of them"
            )
    else:
        channels = {example.source.shape[1] for example in examples if not isinstance(example.source, str)}
        result.facts["length"] = Lengths.of(steps).in_words("steps")
        result.facts["channels"] = ", ".join(map(str, sorted(channels)))
    parts = split_of(
        examples, lambda example: group_of(example) or content(example.source),
        lambda example: example.label if target == "class" else "", result, by_group=GROUP.name in kind.columns,
    )  # fmt: skip
    if texts:
        train, valid = ([example.source for example in parts[name]] for name in ("train", "valid"))
        survey_unknown(train, valid, True, result)
        what, models = "a text", ("bow", "gru", "cnn")
    elif max(steps) == 1:
        what, models = "a vector", ("ffnn", "cnn", "gru")
    else:
        what, models = "a series of numbers", ("cnn", "gru", "ffnn")
    result.suggestion = Suggestion("classify", models, reason.format(what), (*column_options(kind), *options))


def _target(path: str, kind: Kind) -> TargetKind:
    """What the labels are, by their cells or by the first of them."""
    if holds_label_sets(path, kind.columns):
        return "labels"
    try:
        examples = itertools.islice(labelled(files_of(path)[0], columns_text(kind.columns), "labels"), _FIRST_LABELS)
        counts = Counter(example.label for example in examples)
    except SeqloomError:
        return "class"  # the survey says what is wrong
    return "number" if look_like_numbers(counts) else "labels" if separator_of_sets(counts) else "class"


def _survey_targets(
    labels: Sequence[str], target: TargetKind, path: str, kind: Kind, result: Survey
) -> tuple[str, tuple[str, ...]]:
    """Why a model is suggested, with a place for what it reads, and the options that it needs."""
    if target == "class":
        return f"a label for {{}}, one of {len(survey_labels(labels, result)):,}", ()
    if target == "number":
        values = np.array(list(map(float, labels)))
        result.facts["numbers"] = (
            f"from {values.min():g} to {values.max():g}, mean {values.mean():.4g}, median {np.median(values):.4g}"
        )
        return "a number for {}", ("--set", "target=number")
    sets = LabelSets.learn(labels, "", path)
    each = [sets.split(text) for text in labels]
    survey_labels([label for row in each for label in row], result)
    sizes = np.array(list(map(len, each)))
    none = f", none: {(sizes == 0).sum():,}" if (sizes == 0).any() else ""
    result.facts["labels each"] = f"{sizes.mean():.1f} in the mean, at most {sizes.max()}{none}"
    options = () if holds_label_sets(path, kind.columns) else ("--set", "target=labels")
    return f"several labels for {{}}, of {len(sets.labels):,}", options


def _conflicts(examples: Sequence[Labelled]) -> int:
    """The examples whose source occurs with more than one label."""
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    for label, source in examples:
        by_source[str(source)][label] += 1
    return sum(counts.total() for counts in by_source.values() if len(counts) > 1)


def survey_tagged(path: str, kind: Kind, result: Survey) -> None:
    columns = columns_text(kind.columns)
    others = other_columns(files_of(path)[0], columns)
    examples = read_examples(lambda file: tagged(file, columns=columns, auxiliary=others), path, result)
    if not examples:
        return
    result.facts["examples"] = count_of(examples, "sentences")
    tags = [tag for sentence in examples for tag in sentence.tags]
    survey_labels(tags, result, "tags")
    result.facts["length"] = Lengths.of([len(sentence.words) for sentence in examples]).in_words("words")
    texts = [" ".join(sentence.words) for sentence in examples]
    repeated = text_facts(texts).duplicates
    result.facts["duplicates"] = f"{repeated:,} of the sentences"
    has_spans = mark_spans(set(tags))
    result.facts["spans"] = "the tags mark spans" if has_spans else "the tags do not mark spans"
    _survey_other_columns(examples, others, result)
    parts = split_of(examples, lambda sentence: "\t".join(sentence.words), lambda _: "", result)
    train, valid = ([" ".join(sentence.words) for sentence in parts[name]] for name in ("train", "valid"))
    survey_unknown(train, valid, True, result)
    result.suggestion = Suggestion("tag", ("bilstm", "lstm", "ffnn"), "a tag for every word", column_options(kind))


def _survey_other_columns(examples: Sequence[Sentence], others: Sequence[int], result: Survey) -> None:
    """The columns of a few labels that could be features or auxiliary columns of the tags."""
    columns = {
        number: Counter(label for sentence in examples for label in sentence.auxiliary[place])
        for place, number in enumerate(others)
    }
    of_labels = {
        number: labels for number, labels in columns.items() if 1 < len(labels) <= _MOST_LABELS * labels.total()
    }
    if of_labels:
        described = ", ".join(
            f"{number} ({len(labels):,} labels: {', '.join(label for label, _ in labels.most_common(3))}, ..)"
            for number, labels in of_labels.items()
        )
        numbers = ",".join(map(str, of_labels))
        result.facts["other columns"] = (
            f"{described}. With --set data.features={numbers}, the model reads them; data to predict must have them "
            f"too. With --set data.auxiliary={numbers}, it learns to predict them beside the tags."
        )


def survey_tagged_steps(path: str, kind: Kind, result: Survey) -> None:
    examples = read_examples(lambda file: tagged_steps(file, columns_text(kind.columns)), path, result)
    if not examples:
        return
    result.facts["examples"] = count_of(examples, "sequences")
    survey_labels([tag for example in examples for tag in example.tags], result, "tags")
    result.facts["length"] = Lengths.of([len(example.tags) for example in examples]).in_words("steps")
    result.facts["channels"] = ", ".join(map(str, sorted({example.frames.shape[1] for example in examples})))
    split_of(examples, lambda example: content(example.frames), lambda _: "", result)
    result.suggestion = Suggestion("tag", ("bilstm", "lstm", "ffnn"), "a tag for every step", column_options(kind))
