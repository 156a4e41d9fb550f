"""Measures the loss of 8-bit weights: the score on held-out data of the run and of the exported model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from seqloom.data.readers.described import Described
from seqloom.data.readers.recordings import Recording, recordings
from seqloom.data.readers.tagged_steps import TaggedSteps
from seqloom.data.series.panel import SeriesData
from seqloom.data.synthetic import SyntheticData
from seqloom.errors import RequestError, SeqloomError
from seqloom.export.held_out import held_out_examples, held_out_path
from seqloom.export.options import ExportOptions
from seqloom.run import Run

_EXAMPLES = 1_000
_RECORDINGS = 100
"""Recordings that are transcribed: the exported search is not compiled."""


class Scores(NamedTuple):
    """The score of the run and of the exported model; `identical` of the `compared` answers are the same."""

    name: str
    higher_is_better: bool
    original: float
    exported: float
    identical: int
    compared: int


def check_loss(run: Run, portable: Any, options: ExportOptions) -> dict[str, Any]:
    """The scores of the run and of the exported model on held-out data. Raises SeqloomError if the exported score is
    worse by more than `max_loss`."""
    measure = SCORES.get(run.plan.task)
    if measure is None:
        raise RequestError(
            f"the loss of 8-bit weights cannot be measured for a run of {run.plan.task}",
            where="--int8",
            expected=", ".join(SCORES),
        )
    data, path = _held_out(run, options.data)
    name, higher, original, exported, identical, compared = measure(run, portable, data)
    share = _share(original - exported if higher else exported - original, original)
    if not share <= options.max_loss:  # nor if it is NaN
        raise SeqloomError(
            "the loss of 8-bit weights is larger than allowed",
            where=path,
            got=f"{name} {exported:.4f} instead of {original:.4f}: {share:.2%} worse",
            expected=f"at most {options.max_loss:.2%} (--max-loss)",
            hint="export without --int8, or raise --max-loss",
        )
    return {
        "score": name,
        "higher_is_better": higher,
        "float32": original,
        "int8": exported,
        "share_lost": share,
        "max_loss": options.max_loss,
        "largest_difference": abs(original - exported),
        "answers": {"lines": compared, "identical": identical, "ties": 0, "read_from": path},
    }


def _share(lost: float, original: float) -> float:
    if original:
        return lost / original
    return math.inf if lost > 0 else 0.0


def _held_out(run: Run, data: str) -> tuple[Any, str]:
    """The first examples, or the series, that the loss is measured on, and their path."""
    if run.plan.task == "algorithm":
        return run.read(data or run.plan.sources.data), data or run.plan.sources.data
    path = held_out_path(run, data)
    if not path:
        raise RequestError(
            "the loss of 8-bit weights needs held-out data, and the run's data no longer exists",
            where=run.plan.sources.data,
            hint="--data FILE",
        )
    if run.plan.task == "forecast":
        return run.read(path), path
    if run.plan.task == "transcribe":
        examples: Iterator[Any] = itertools.islice(recordings(path), _RECORDINGS)
    else:
        examples, _ = held_out_examples(run, path)
    return list(itertools.islice(filter(None, examples), _EXAMPLES)), path


def _perplexity(run: Run, portable: Any, lines: Sequence[str]) -> Scores:
    original, exported = run.score(lines), portable.score(lines)
    tokens = sum(score.tokens for score in exported)
    values = [math.exp(-sum(score.log_prob for score in scores) / tokens) for scores in (original, exported)]
    pairs = zip(original, exported, strict=True)
    same = sum(abs(score.log_prob - of_export.log_prob) < 1e-3 * score.tokens for score, of_export in pairs)
    return Scores("perplexity", False, values[0], values[1], same, len(lines))


def _accuracy(run: Run, portable: Any, examples: Sequence[Any]) -> Scores:
    """The share of right classes or of right sets of labels, or the mean absolute error of numbers."""
    targets, sources = run.codec.targets, [example.source for example in examples]
    original, exported = run.predict(sources), portable.predict(sources)
    labels = [example.label for example in examples]
    if targets.kind == "number":
        truth = np.array(labels, float)
        errors = [np.abs(np.array(texts, float) - truth).mean() for texts in (original, exported)]
        return _scores("mean absolute error", False, errors, (original, exported))
    read = (lambda text: set(targets.split(text))) if targets.kind == "labels" else str  # labels in any order
    truth_of, *predicted = ([read(text) for text in texts] for texts in (labels, original, exported))
    rights = [_same(answers, truth_of) / len(labels) for answers in predicted]
    return _scores("accuracy", True, rights, predicted)


def _tag_accuracy(run: Run, portable: Any, examples: Sequence[Any]) -> Scores:
    sequences = [example.frames if isinstance(example, TaggedSteps) else example.words for example in examples]
    truth = [tag for example in examples for tag in example.tags]
    answers: list[Any] = [best for best, *_ in run.answers(sequences)]
    predicted = [[list(answer.tags) for answer in tagged] for tagged in (answers, portable.answers(sequences))]
    rights = [_same(list(itertools.chain(*tags)), truth) / len(truth) for tags in predicted]
    return _scores("tag accuracy", True, rights, predicted)


def _bleu(run: Run, portable: Any, examples: Sequence[Any]) -> Scores:
    """Of translations, or of the texts about vectors."""
    from sacrebleu.metrics.bleu import BLEU

    if isinstance(examples[0], Described):
        joined = run.codec.parts > 1  # parts of vectors, which users give as vectors
        sources = [row.frames.reshape(1, -1) if joined else row.frames for row in examples]
        references = [row.text for row in examples]
    else:
        sources, references = ([pair[side] for pair in examples] for side in (0, 1))
    predicted = [model.predict(sources) for model in (run, portable)]
    return _scores("BLEU", True, [BLEU().corpus_score(texts, [references]).score for texts in predicted], predicted)


def _word_accuracy(run: Run, portable: Any, examples: Sequence[Recording]) -> Scores:
    """1 - word error rate, at least 0."""
    from seqloom.data.sound.sound_file import sound_of
    from seqloom.metrics.transcription import transcript_scores

    sounds = [sound_of(example.sound, run.codec.features.rate, "the recordings") for example in examples]
    predicted = [model.predict(sounds) for model in (run, portable)]
    texts = [example.text for example in examples]
    rights = [max(0.0, 1.0 - transcript_scores(texts, answers).word_error_rate) for answers in predicted]
    return _scores("word accuracy", True, rights, predicted)


@torch.no_grad()
def _bit_accuracy(run: Run, portable: Any, data: SyntheticData) -> Scores:
    loader = run.task.exact_loader(data, run.plan.settings)  # type: ignore[attr-defined]
    right, bits, same = np.zeros(2), 0, 0
    for step in range(loader.num_steps()):
        batch = loader.batch(0, step)
        lengths = None if batch.lengths is None else batch.lengths.numpy()
        original = run.model(batch.inputs, batch.lengths).numpy() > 0
        exported = portable.probabilities(batch.inputs.numpy(), lengths)[0] > 0.5
        scored, truth = batch.scored.numpy()[:, :, None], batch.targets.numpy() > 0.5
        right += [((answer == truth) & scored).sum() for answer in (original, exported)]
        bits += int((scored & np.ones_like(truth)).sum())
        same += int(((original == exported) | ~scored).all((1, 2)).sum())
    return Scores("bit accuracy", True, right[0] / bits, right[1] / bits, same, len(data))


def _forecast_error(run: Run, portable: Any, data: SeriesData) -> Scores:
    """Of the last horizon of each series."""
    from seqloom.metrics.forecasting import ForecastScores
    from seqloom.models.forecasting.forecast import LEVELS
    from seqloom.models.forecasting.mixture import ForecastMixture
    from seqloom.tasks.backtest import forecast_histories

    panel, horizon, same = data.panel, run.codec.horizon, 0
    any_origin = SeriesData(panel, np.ones(len(panel), np.int64), data.last)
    scores = [ForecastScores(LEVELS, run.codec.period, horizon) for _ in range(2)]
    for series, origin in itertools.islice(any_origin.origins(horizon, max_origins=1), _EXAMPLES):
        history, values = panel.history(series, origin), panel.of(series)
        names = {"name": history.name} if isinstance(run.model, ForecastMixture) else {}
        covariates = [part if part.size else None for part in (history.past, history.ahead, history.static)]
        original = next(forecast_histories(run.trained, [history], horizon))
        exported = portable.forecast(history.values, *covariates, horizon=horizon, **names)
        for of_model, forecast in zip(scores, (original, exported), strict=True):
            actual = values[origin : origin + horizon]
            of_model.add(series, origin, values[:origin], actual, forecast.point, forecast.quantiles)
        same += np.allclose(original.point, exported.point, rtol=1e-3)
    name = "mase" if any(scores[0].scaled_counts.values()) else "mae"
    values_of = [of_model.metrics()[name] for of_model in scores]
    return Scores(name.upper(), False, values_of[0], values_of[1], same, len(scores[0].origins))


def _scores(name: str, higher_is_better: bool, values: Iterable[float], answers: Sequence[Sequence[Any]]) -> Scores:
    original, exported = map(float, values)
    return Scores(name, higher_is_better, original, exported, _same(*answers), len(answers[0]))


def _same(answers: Sequence[Any], others: Sequence[Any]) -> int:
    return sum(answer == other for answer, other in zip(answers, others, strict=True))


SCORES: dict[str, Callable[[Run, Any, Any], Scores]] = {  # of each task with networks
    "algorithm": _bit_accuracy,
    "classify": _accuracy,
    "describe": _bleu,
    "forecast": _forecast_error,
    "language-model": _perplexity,
    "tag": _tag_accuracy,
    "transcribe": _word_accuracy,
    "translate": _bleu,
}
