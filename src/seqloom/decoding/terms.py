"""Terms that a target must or must not contain, as token ids: those of all sources, and those of each source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from seqloom.data.input_checks import shown
from seqloom.data.tokenizer import UNK, Tokenizer
from seqloom.decoding.search_options import Constraints, Term
from seqloom.errors import RequestError, unknown_name

_KEYS = ("source", "require", "forbid")
_ANY = "a"


class SourceTerms(NamedTuple):
    """A source with the terms that its targets must contain (`require`) and must not contain (`forbid`)."""

    source: str
    require: Sequence[str] = ()
    forbid: Sequence[str] = ()


def with_terms(item: Any, number: int) -> SourceTerms:
    """An input of a translator: a text, or a mapping with `source` and, where wanted, lists `require` and `forbid`.
    Raises RequestError for anything else; `number` is that of the input."""
    where = f"input {number}"
    if isinstance(item, str):
        return SourceTerms(item)
    if not isinstance(item, Mapping) or not isinstance(item.get("source"), str):
        expected = "a text, or a dictionary with source, require and forbid"
        raise RequestError("an input is a text", where=where, got=shown(item), expected=expected)
    for name in item:
        if name not in _KEYS:
            raise unknown_name("key of an input", str(name), _KEYS, where=where)
    return SourceTerms(
        item["source"], *(checked_terms(item.get(name, ()), f"{where}, {name}") for name in ("require", "forbid"))
    )


def checked_terms(terms: Any, where: str) -> Sequence[str]:
    """The terms. Raises RequestError if they are not a list of texts."""
    if isinstance(terms, str) or not isinstance(terms, Iterable) or not all(isinstance(term, str) for term in terms):
        raise RequestError("terms are a list of texts", where=where, got=shown(terms), expected="[term, ...]")
    return list(terms)


def constraints_of(
    tokenizer: Tokenizer, inputs: Sequence[SourceTerms], prefix: str, require: Sequence[str], forbid: Sequence[str]
) -> list[Constraints]:
    """What the targets of each input contain: the `prefix`, the terms `require` of all inputs and its own, and none of
    the terms `forbid` or its own forbidden ones. Raises RequestError for a term that the model cannot generate."""
    begin = tuple(tokenizer.encode([prefix])[0]) if prefix else ()

    @cache
    def term_ids(term: str, where: str) -> Term:
        return _required_term(tokenizer, term, where)

    @cache
    def forbidden_ids(term: str, where: str) -> tuple[tuple[int, ...], ...]:
        return tuple(sorted(_ids_within_text(tokenizer, term, where)))

    common = [term_ids(term, "require") for term in require]
    excluded = [ids for term in forbid for ids in forbidden_ids(term, "forbid")]
    constraints = []
    for number, item in enumerate(inputs, 1):
        where = f"input {number}"
        required = [*common, *(term_ids(term, f"{where}, require") for term in item.require)]
        forbidden = [*excluded, *(ids for term in item.forbid for ids in forbidden_ids(term, f"{where}, forbid"))]
        constraints.append(Constraints(begin, tuple(dict.fromkeys(required)), tuple(dict.fromkeys(forbidden))))
    return constraints


def _ids_within_text(tokenizer: Tokenizer, term: str, where: str) -> set[tuple[int, ...]]:
    """The token ids of a term, at the beginning of a text and after a space, if those differ; none if the vocabulary
    lacks one of its tokens. Raises RequestError for an empty term."""
    first, after = tokenizer.encode([term, f"{_ANY} {term}"])
    if not first:
        raise RequestError("a term is empty", where=where, got=repr(term), expected="a word or more")
    lead = tokenizer.encode([_ANY])[0]
    forms = {tuple(first)}
    # With a character tokenizer, the space before the term is a token of its own.
    if after[: len(lead)] == lead and len(first) != len(term):
        forms.add(tuple(after[len(lead) :]))
    return {ids for ids in forms if UNK not in ids}


def _required_term(tokenizer: Tokenizer, term: str, where: str) -> Term:
    """The tokens of a term. Raises RequestError if the vocabulary lacks one of them."""
    ids = _ids_within_text(tokenizer, term, where)
    forms = sorted(ids, key=lambda form: tokenizer.decode(list(form)) != term)
    if not forms:
        expected = "a term of tokens that the target vocabulary has"
        raise RequestError("the model cannot generate a term", where=where, got=repr(term)[:80], expected=expected)
    first = tuple(tokenizer.encode([term])[0])
    within = next((form for form in forms if form != first), first)
    return Term(first, within)
