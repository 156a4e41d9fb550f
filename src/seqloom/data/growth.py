"""Vocabularies of a run initialised from another: the tokens of the earlier run first, then those of the new data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from seqloom.data.codec import SavedCodec
from seqloom.data.marked_function import PRE_TOKENIZER
from seqloom.data.tokenizer import Tokenizer
from seqloom.errors import RequestError

Kind = TypeVar("Kind", bound=SavedCodec)


def grown_tokenizer(earlier: Tokenizer, learnt: Tokenizer) -> Tokenizer:
    """The earlier tokenizer, with the tokens of `learnt` that it lacks at the end of its vocabulary.

    Subwords encode every text, so their vocabulary stays. It also stays if the two tokenizers divide a text in
    different ways, because `learnt` then has tokens that the earlier one never produces.
    """
    form = _without_vocabulary(earlier)
    if form["model"].get("type") != "WordLevel" or form != _without_vocabulary(learnt):
        return earlier
    return earlier.with_words(learnt.tokens(), earlier.vocab_size + learnt.vocab_size)


def _without_vocabulary(tokenizer: Tokenizer) -> dict[str, Any]:
    description = json.loads(tokenizer.to_json())
    return {**description, "model": {**description["model"], "vocab": None}}


def form_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """How a tokenizer divides a text: the values of its settings `kind`, `lowercase` and `punctuation`, or of
    `function`."""
    description = _without_vocabulary(tokenizer)
    kinds = {"BPE": "bpe", "Unigram": "unigram"}
    divides = (description.get("pre_tokenizer") or {}).get("type")
    if divides == PRE_TOKENIZER:
        return {"function": description["pre_tokenizer"]["function"]}
    kind = kinds.get(description["model"]["type"], "character" if divides == "Split" else "word")
    is_lowercase = description.get("normalizer") is not None
    return {"kind": kind, "lowercase": is_lowercase, "punctuation": kind == "word" and divides == "Sequence"}


def source_tokenizer(earlier: SavedCodec, learnt: SavedCodec) -> Tokenizer:
    """The tokenizer of what the earlier run reads. Raises RequestError if it does not read text; `learnt`: the codec of
    the new data."""
    tokenizer: Tokenizer | None = getattr(earlier, "source_tokenizer", None)
    if tokenizer is None:
        raise other_data(earlier, learnt)
    return tokenizer


def grown_names(earlier: Iterable[str], learnt: Iterable[str]) -> tuple[str, ...]:
    """The earlier names in their order, then the new ones in theirs."""
    return tuple(dict.fromkeys([*earlier, *learnt]))


def of_kind(earlier: SavedCodec, kind: type[Kind]) -> Kind:
    """The codec of a run to initialise from. Raises RequestError if it is not of this kind."""
    if not isinstance(earlier, kind):
        raise _other_kind(type(earlier), kind)
    return earlier


def other_data(earlier: SavedCodec, learnt: SavedCodec) -> RequestError:
    """The error for a run whose data is of another kind, such as numbers instead of text."""
    return _other_kind(type(earlier), type(learnt))


def _other_kind(earlier: type[SavedCodec], learnt: type[SavedCodec]) -> RequestError:
    kind, expected = earlier.data_kind, learnt.data_kind
    return RequestError(
        "the run to initialise from reads another kind of data",
        where="--from",
        got=kind if kind != expected else f"other {kind}: numbers, or another number of channels",
        expected=expected,
        hint="a run can be initialised from one of the same task, or from one that reads the same kind of text",
    )
