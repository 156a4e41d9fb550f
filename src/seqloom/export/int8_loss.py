"""Measures the loss of 8-bit weights: the score on held-out data of the run and of the exported model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqloom.errors import RequestError, SeqloomError
from seqloom.export.held_out import held_out_examples
from seqloom.export.options import ExportOptions
from seqloom.run import Run

_EXAMPLES = 1_000


def check_loss(run: Run, portable: Any, options: ExportOptions) -> dict[str, Any]:
    """The scores of the run and of the exported model on held-out data. Raises SeqloomError if the exported score is
    worse by more than `max_loss`."""
    if run.plan.task not in _SCORES:
        raise RequestError(
            f"the loss of 8-bit weights cannot be measured for a run of {run.plan.task}",
            where="--int8",
            expected=", ".join(_SCORES),
        )
    examples, path = _first_examples(run, options.data)
    name, higher, original, exported, identical = _SCORES[run.plan.task](run, portable, examples)
    lost = original - exported if higher else exported - original
    share = lost / original if original else 0.0
    if share > options.max_loss:
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
        "answers": {"lines": len(examples), "identical": identical, "ties": 0, "read_from": path},
    }


def _first_examples(run: Run, data: str) -> tuple[list[Any], str]:
    examples, path = held_out_examples(run, data)
    if not path:
        raise RequestError(
            "the loss of 8-bit weights needs held-out data, and the run's data no longer exists",
            where=run.plan.sources.data,
            hint="--data FILE",
        )
    return list(itertools.islice(filter(None, examples), _EXAMPLES)), path


Scores = tuple[str, bool, float, float, int]
"""The name of the score, whether higher is better, the score of the run and of the exported model, and the number of
identical answers."""


def _perplexity(run: Run, portable: Any, lines: Sequence[str]) -> Scores:
    original, exported = run.score(lines), portable.score(lines)
    tokens = sum(score.tokens for score in exported)
    values = [math.exp(-sum(score.log_prob for score in scores) / tokens) for scores in (original, exported)]
    pairs = zip(original, exported, strict=True)
    same = sum(abs(score.log_prob - of_export.log_prob) < 1e-3 * score.tokens for score, of_export in pairs)
    return "perplexity", False, values[0], values[1], same


def _accuracy(run: Run, portable: Any, examples: Sequence[Any]) -> Scores:
    sources = [example.source for example in examples]
    original, exported = run.predict(sources), portable.predict(sources)
    labels = [example.label for example in examples]
    rights = [np.mean(np.array(predicted) == np.array(labels)) for predicted in (original, exported)]
    return "accuracy", True, float(rights[0]), float(rights[1]), _same(original, exported)


def _tag_accuracy(run: Run, portable: Any, examples: Sequence[Any]) -> Scores:
    sentences, truth = [example.words for example in examples], [tag for example in examples for tag in example.tags]
    answers: list[Any] = [best for best, *_ in run.answers(sentences)]
    original, exported = ([list(answer.tags) for answer in tagged] for tagged in (answers, portable.answers(sentences)))
    rights = [np.mean(np.array(list(itertools.chain(*tags))) == np.array(truth)) for tags in (original, exported)]
    return "tag accuracy", True, float(rights[0]), float(rights[1]), _same(original, exported)


def _bleu(run: Run, portable: Any, pairs: Sequence[Any]) -> Scores:
    from sacrebleu.metrics.bleu import BLEU

    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    original, exported = run.predict(sources), portable.predict(sources)
    scores = [BLEU().corpus_score(translations, [references]).score for translations in (original, exported)]
    return "BLEU", True, scores[0], scores[1], _same(original, exported)


def _same(original: Sequence[Any], exported: Sequence[Any]) -> int:
    return sum(answer == of_export for answer, of_export in zip(original, exported, strict=True))


_SCORES = {"classify": _accuracy, "language-model": _perplexity, "tag": _tag_accuracy, "translate": _bleu}
