"""What 8-bit weights cost: the score on held-out data, of the run and of the exported folder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqloom.errors import RequestError, SeqloomError
from seqloom.export.options import ExportOptions
from seqloom.run import Run

_EXAMPLES = 1_000


def check_loss(run: Run, portable: Any, options: ExportOptions) -> dict[str, Any]:
    """The scores of both on held-out data. Raises SeqloomError where that of the folder is worse by more than
    `max_loss`."""
    if run.plan.task not in _SCORES:
        raise RequestError(
            f"there is no score by which the loss of 8-bit weights of a run of {run.plan.task} could be measured",
            where="--int8",
            expected=", ".join(_SCORES),
        )
    examples, path = _held_out(run, options.data)
    name, higher, own, exported, identical = _SCORES[run.plan.task](run, portable, examples)
    lost = own - exported if higher else exported - own
    share = lost / own if own else 0.0
    if share > options.max_loss:
        raise SeqloomError(
            "8-bit weights cost more of the score than is allowed",
            where=path,
            got=f"{name} {exported:.4f} instead of {own:.4f}: {share:.2%} worse",
            expected=f"at most {options.max_loss:.2%} (--max-loss)",
            hint="export without --int8, or allow more",
        )
    return {
        "score": name,
        "higher_is_better": higher,
        "float32": own,
        "int8": exported,
        "share_lost": share,
        "max_loss": options.max_loss,
        "largest_difference": abs(own - exported),
        "answers": {"lines": len(examples), "identical": identical, "ties": 0, "read_from": path},
    }


def _held_out(run: Run, data: str) -> tuple[list[Any], str]:
    sources = run.plan.sources
    for path in (data, sources.valid, sources.test, sources.data):
        if path and Path(path).exists():
            read = run.task.recipe(run.plan.settings).read(path)  # type: ignore[union-attr]
            return list(itertools.islice((example for example in read if example), _EXAMPLES)), path
    raise RequestError(
        "the loss of 8-bit weights is measured on held-out data, and the run's is not there any more",
        where=str(sources.data),
        hint="--data FILE",
    )


Scores = tuple[str, bool, float, float, int]
"""The score's name, whether higher is better, those of the run and of the folder, and how many answers are the same."""


def _perplexity(run: Run, portable: Any, lines: Sequence[str]) -> Scores:
    own, exported = run.score(lines), portable.score(lines)
    tokens = sum(score.tokens for score in exported)
    values = [math.exp(-sum(score.log_prob for score in scores) / tokens) for scores in (own, exported)]
    same = sum(abs(one.log_prob - other.log_prob) < 1e-3 * one.tokens for one, other in zip(own, exported, strict=True))
    return "perplexity", False, values[0], values[1], same


def _accuracy(run: Run, portable: Any, examples: Sequence[Any]) -> Scores:
    sources = [example.source for example in examples]
    own, exported = run.predict(sources), portable.predict(sources)
    rights = [np.mean([one == ex.label for one, ex in zip(found, examples, strict=True)]) for found in (own, exported)]
    return "accuracy", True, float(rights[0]), float(rights[1]), _same(own, exported)


def _tag_accuracy(run: Run, portable: Any, examples: Sequence[Any]) -> Scores:
    sentences, truth = [example.words for example in examples], [tag for example in examples for tag in example.tags]
    answers: list[Any] = [best for best, *_ in run.answers(sentences)]
    own, exported = ([list(answer.tags) for answer in found] for found in (answers, portable.answers(sentences)))
    rights = [np.mean(np.array(list(itertools.chain(*found))) == np.array(truth)) for found in (own, exported)]
    return "tag accuracy", True, float(rights[0]), float(rights[1]), _same(own, exported)


def _bleu(run: Run, portable: Any, pairs: Sequence[Any]) -> Scores:
    from sacrebleu.metrics.bleu import BLEU

    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    own, exported = run.predict(sources), portable.predict(sources)
    scores = [BLEU().corpus_score(found, [references]).score for found in (own, exported)]
    return "BLEU", True, scores[0], scores[1], _same(own, exported)


def _same(own: Sequence[Any], exported: Sequence[Any]) -> int:
    return sum(one == other for one, other in zip(own, exported, strict=True))


_SCORES = {"classify": _accuracy, "language-model": _perplexity, "tag": _tag_accuracy, "translate": _bleu}
