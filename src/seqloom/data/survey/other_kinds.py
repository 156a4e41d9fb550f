"""Surveys of series, recordings, and files on which vectors are evaluated."""

from __future__ import annotations

from collections import Counter

import numpy as np

from seqloom.data.example import content
from seqloom.data.input_source import files_of
from seqloom.data.survey.kinds import Kind
from seqloom.data.survey.report import Suggestion, Survey, count_of, first_of, read_examples, split_of
from seqloom.data.survey.texts import Lengths, text_facts


def survey_series(path: str, kind: Kind, result: Survey) -> None:  # noqa: ARG001
    from seqloom.data.series.recipe import SeriesRecipe, SeriesSettings
    from seqloom.data.series.table import read_panel

    recipe = SeriesRecipe(SeriesSettings())
    files = files_of(path)
    table = read_panel(files[0], recipe.settings)
    panel, columns = table.panel, table.columns
    horizon = recipe.horizon(panel)
    valid, test = recipe.steps(panel, horizon)
    lengths = Lengths.of(panel.lengths.tolist())
    result.facts["columns"] = f"time is {columns.time!r}" + (
        f", series is {columns.series!r}" if columns.series else ""
    )
    more = ", .." if len(columns.target) > 8 else ""
    result.facts["columns"] += f", values are {', '.join(map(repr, columns.target[:8]))}{more}"
    season = f"a season of {panel.period} steps" if panel.period > 1 else "no season"
    result.facts["examples"] = f"{len(panel):,} series, {panel.frequency.description}, {season}"
    result.facts["length"] = lengths.in_words("steps")
    result.facts["split"] = (
        f"in time: the last {test:,} steps of each series to test on, {valid:,} before to validate on"
    )
    result.wrong += table.notes
    if len(files) > 1:
        result.wrong.append("forecast reads one file; this is a survey of the first one")
    short = int((panel.lengths <= horizon + valid + test).sum())
    if short:
        result.wrong.append(f"series too short for a horizon of {horizon} and both held-out parts: {short:,}")
    if constant := sum(len(panel.of(i)) > 1 and np.ptp(panel.of(i)) == 0 for i in range(len(panel))):
        result.wrong.append(f"series that never change: {constant:,}")
    result.suggestion = Suggestion(
        "forecast", ("ar", "seasonal-naive", "gru"), f"numbers in time: forecast {horizon} steps with intervals"
    )


def survey_recordings(path: str, kind: Kind, result: Survey) -> None:  # noqa: ARG001
    from seqloom.data.readers.recordings import recordings

    examples = first_of(recordings(path), result)
    if not examples:
        return
    texts = Counter(recording.text for recording in examples)
    speakers = {recording.speaker for recording in examples if recording.speaker}
    result.facts["examples"] = count_of(examples, "recordings") + (f", {len(speakers)} speakers" if speakers else "")
    shown = ", ".join(f"{text!r} ({count:,})" for text, count in texts.most_common(8))
    more = ", .." if len(texts) > 8 else ""
    result.facts["texts"] = f"{len(texts):,} different: {shown}{more}"
    if empty := texts.get(""):
        result.wrong.append(f"recordings without text: {empty:,}")
    result.suggestion = Suggestion("transcribe", ("bigru", "bigru+attention"), "recordings with their texts")


def survey_described(path: str, kind: Kind, result: Survey) -> None:  # noqa: ARG001
    from seqloom.data.readers.described import described

    examples = read_examples(described, path, result)
    if not examples:
        return
    texts = [example.text for example in examples]
    result.facts["examples"] = count_of(examples, "vectors with texts")
    result.facts["channels"] = ", ".join(map(str, sorted({example.frames.shape[1] for example in examples})))
    result.facts["length"] = Lengths.of([len(example.frames) for example in examples]).in_words("steps")
    result.facts["texts"] = f"{len(set(texts)):,} different, " + text_facts(texts).words.in_words("words")
    split_of(examples, lambda example: content(example.frames), lambda _: "", result)
    result.suggestion = Suggestion("describe", ("bigru+attention", "gru", "transformer"), "a text for each vector")


def survey_analogies(path: str, kind: Kind, result: Survey) -> None:  # noqa: ARG001
    from seqloom.data.readers.analogies import analogies

    questions = read_examples(analogies, path, result)
    sections = Counter(question.section for question in questions)
    result.facts["examples"] = f"{len(questions):,} questions in {len(sections)} sections"
    result.suggestion = Suggestion("", (), f"an evaluation of word vectors: seqloom vectors RUN evaluate {path}")


def survey_rated_pairs(path: str, kind: Kind, result: Survey) -> None:  # noqa: ARG001
    from seqloom.data.readers.rated_pairs import rated_pairs

    rated = read_examples(rated_pairs, path, result)
    if not rated:
        return
    scores = [pair.score for pair in rated]
    result.facts["examples"] = f"{len(rated):,} pairs with scores from {min(scores):g} to {max(scores):g}"
    is_words = all(len(pair.first.split()) == 1 for pair in rated)
    command = f"seqloom vectors RUN evaluate {path}" if is_words else f"seqloom embed RUN --similarity {path}"
    result.suggestion = Suggestion("", (), f"an evaluation of {'word' if is_words else 'sentence'} vectors: {command}")


def survey_unknown_table(path: str, kind: Kind, result: Survey) -> None:  # noqa: ARG001
    result.wrong.append(
        "it is not clear what the columns hold; choose them with --columns, such as source=1,target=2 for translate, "
        "label=1,text=2 for classify, text=2 for language-model"
    )
