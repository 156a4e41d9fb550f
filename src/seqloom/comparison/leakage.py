"""Labels that one token gives away: a class of which most examples hold a token that hardly any other example holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom.comparison.verdict import listed
from seqloom.data.labelled import LabelledData
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import UNK
from seqloom.distinct import distinct

_LEAST_PRECISION, _LEAST_RECALL, _LEAST_EXAMPLES, _LARGEST_SHARE = 0.98, 0.8, 10, 0.9


def telling_tokens(train: Any) -> dict[str, str]:
    """For each class that one token gives away, this token. `train`: the training data; empty unless it is labelled
    text.

    A token gives a class away if 80 % of the examples of the class hold it, and 98 % of the examples that hold it are
    of the class. Classes with few examples, or with nearly all of them, are left out.
    """
    if not isinstance(train, LabelledData) or not isinstance(train.sources, TokenFile):
        return {}
    if train.codec.targets.kind != "class":
        return {}
    tokenizer, labels = train.codec.tokenizer, train.codec.labels.names
    assert tokenizer is not None
    classes, known = len(labels), train.class_ids >= 0
    lengths = np.diff(train.sources.offsets)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    # Each token counts once in an example.
    pairs = distinct(rows * tokenizer.vocab_size + np.asarray(train.sources.ids, dtype=np.int64))
    rows, tokens = pairs // tokenizer.vocab_size, pairs % tokenizer.vocab_size
    counted = known[rows] & (tokens != UNK)
    keys = tokens[counted] * classes + train.class_ids[rows[counted]]
    examples = np.bincount(keys, minlength=tokenizer.vocab_size * classes).reshape(-1, classes)
    sizes = np.bincount(train.class_ids[known], minlength=classes)
    precision = examples / np.maximum(examples.sum(1, keepdims=True), 1)
    recall = examples / np.maximum(sizes, 1)
    telling = (precision >= _LEAST_PRECISION) & (recall >= _LEAST_RECALL)
    result = {}
    for number, label in enumerate(labels):
        enough = sizes[number] >= _LEAST_EXAMPLES and sizes[number] <= _LARGEST_SHARE * sizes.sum()
        if enough and telling[:, number].any():
            best = int(np.argmax(np.where(telling[:, number], recall[:, number], 0)))
            result[label] = tokenizer.token(best)
    return result


def leakage_warning(train: Any) -> str:
    """A sentence that names the classes and their tokens; empty if there are none."""
    tokens = telling_tokens(train)
    if not tokens:
        return ""
    shown = [f"{label} by {token!r}" for label, token in list(tokens.items())[:5]]
    more = f" and {len(tokens) - 5} more classes" if len(tokens) > 5 else ""
    return (
        f"One token gives a class away: {listed(shown, 'and')}{more}. If it would not be there in use, remove it from "
        "the data; otherwise a search for the token is enough."
    )
