"""`seqloom vectors`: similar words, analogies, evaluation of vectors, and pages about them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from seqloom.cli.options import Figures, Json, print_metrics
from seqloom.json_line import to_json

if TYPE_CHECKING:
    from seqloom.run.embeddings import Vectors

Arguments = Sequence[str]


def vectors(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="RUN", help="a run of any task, or a file of vectors", show_default=False)
    ],
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION",
            help="similar, analogy, doesnt-match, similarity, evaluate, map or report",
            show_default=False,
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[WORDS]", help="words, or a file to evaluate")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="similar, analogy: how many words to print")] = 10,
    most_words: Annotated[
        int, typer.Option(min=0, help="analogies, map: only the so many most frequent words; 0: all")
    ] = 30_000,
    first: Annotated[
        int,
        typer.Option(min=0, help="read only so many words: the first of a file, the most frequent of a run; 0: all"),
    ] = 0,
    only: Annotated[
        Path | None, typer.Option(metavar="FILE", help="read only the words in FILE, which has one on each line")
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="similar, analogy: search approximately with an index in FOLDER, which is built if it is not there",
        ),
    ] = None,
    documents: Annotated[
        bool, typer.Option("--documents", help="use the vectors of documents, of a run of pv-dbow or pv-dm")
    ] = False,
    unicode_errors: Annotated[
        str, typer.Option(help="words of a file that are not UTF-8: strict (an error), replace or ignore")
    ] = "strict",
    out: Annotated[Path | None, typer.Option(help="map, report: the .html file to write")] = None,
    figures: Figures = None,
    json: Json = False,
) -> None:
    """Find similar words, solve analogies, evaluate vectors.

    The vectors are those of a run, or of a file: word2vec's formats, GloVe's, fastText's .vec and .bin.

    similar king; analogy king - man + woman; doesnt-match breakfast cereal dinner lunch; similarity cup mug.
    evaluate FILE: analogies, or rated pairs (word TAB word TAB score), with 95 % intervals and what was skipped.
    map --out FILE: a page with the words on a plane, along the two directions in which they differ most.
    report --out FILE: a page with the training and held-out loss of each epoch.
    With --documents, similar and the others take names of documents, or texts, whose vectors are inferred.
    """
    from seqloom.errors import RequestError, unknown_name

    if action not in _ACTIONS:
        raise unknown_name("action", action, _ACTIONS)
    if (action in _PAGES) != (out is not None):
        expected = "--out FILE" if action in _PAGES else "no --out"
        raise RequestError(f"{action} {'writes' if action in _PAGES else 'does not write'} a page", expected=expected)
    for option, actions in _ACTIONS_OF.items():
        given_by = context.get_parameter_source(option)
        if action not in actions and given_by is not None and given_by.name == "COMMANDLINE":
            name = f"--{option.replace('_', '-')}"
            raise RequestError(f"{action} does not use this option", where=name, expected=" or ".join(actions))
    if action == "report" and out is not None:
        from seqloom.explain.loss_curves import loss_page

        loss_page(source).write(out, figures)
        return
    opened = _open(source, first, only, unicode_errors, documents)
    if index is not None:
        _use_index(opened, index)
    if out is not None:
        from seqloom.explain.vector_map import vector_map_page

        vector_map_page(opened, f"The {opened.entry}s of {source.resolve().name}", most_words).write(out, figures)
        return
    answer = _QUESTIONS[action](opened, arguments or [], top, most_words)
    if isinstance(answer, dict):
        print_metrics(answer, json)
    elif json:
        typer.echo(to_json([neighbour._asdict() for neighbour in answer]))
    else:
        for neighbour in answer:
            typer.echo(f"{neighbour.word}\t{neighbour.cosine:.4f}")


def _open(source: Path, first: int, only: Path | None, unicode_errors: str, documents: bool) -> Vectors:
    from seqloom.files import read_lines
    from seqloom.run.embeddings import Vectors

    words = None if only is None else [line.strip() for line in read_lines(only) if line.strip()]
    return Vectors.open(source, first=first, only=words, unicode_errors=cast(Any, unicode_errors), documents=documents)


def _use_index(vectors: Vectors, folder: Path) -> None:
    is_new = not folder.exists()
    if is_new:
        print(f"{folder}: building an index of {len(vectors):,} {vectors.entry}s", file=sys.stderr)
    facts = vectors.use_index(folder)
    if is_new:
        print(
            f"{folder}: built in {facts.seconds:.0f} s; it finds {facts.recall:.1%} of the 10 nearest "
            f"of {facts.queries:,} random ones",
            file=sys.stderr,
        )


def _similar(vectors: Vectors, words: Arguments, top: int, most_words: int) -> Any:  # noqa: ARG001
    _expect(len(words) == 1, "similar", f"one {vectors.entry}", words)
    return vectors.similar(words[0], top)


def _analogy(vectors: Vectors, words: Arguments, top: int, most_words: int) -> Any:  # noqa: ARG001
    sides: dict[str, list[str]] = {"+": [], "-": []}
    sign = "+"
    for word in words:
        if word in sides:
            sign = word
        else:
            sides[sign].append(word)
            sign = "+"
    _expect(bool(sides["+"]), "analogy", "words like: king - man + woman", words)
    return vectors.analogy(sides["+"], sides["-"], top)


def _doesnt_match(vectors: Vectors, words: Arguments, top: int, most_words: int) -> Any:  # noqa: ARG001
    return {"doesnt_match": vectors.doesnt_match(list(words))}


def _similarity(vectors: Vectors, words: Arguments, top: int, most_words: int) -> Any:  # noqa: ARG001
    _expect(len(words) == 2, "similarity", f"two {vectors.entry}s", words)
    return {"similarity": vectors.similarity(*words)}


def _evaluate(vectors: Vectors, files: Arguments, top: int, most_words: int) -> Any:  # noqa: ARG001
    from seqloom.run.embeddings import holds_analogies

    _expect(len(files) == 1, "evaluate", "one file", files)
    if not holds_analogies(files[0]):
        return vectors.evaluate_similarity(files[0])._asdict()
    scores = vectors.evaluate_analogies(files[0], most_words)
    shares = {name: share.accuracy for name, share in scores.sections.items() if share.questions}
    return {**scores.total._asdict(), **shares}


def _expect(right: bool, action: str, what: str, arguments: Arguments) -> None:
    from seqloom.errors import RequestError

    if not right:
        raise RequestError(f"{action} takes {what}", got=" ".join(arguments) or "nothing")


_QUESTIONS: dict[str, Callable[[Vectors, Arguments, int, int], Any]] = {
    "similar": _similar,
    "analogy": _analogy,
    "doesnt-match": _doesnt_match,
    "similarity": _similarity,
    "evaluate": _evaluate,
}
_PAGES = ("map", "report")
_SEARCHES = ("similar", "analogy")
_ACTIONS = (*_QUESTIONS, *_PAGES)
_OF_VECTORS = (*_QUESTIONS, "map")
_ACTIONS_OF = {
    "top": _SEARCHES,
    "index": _SEARCHES,
    "most_words": ("evaluate", "map"),
    "first": _OF_VECTORS,
    "only": _OF_VECTORS,
    "documents": _OF_VECTORS,
    "unicode_errors": _OF_VECTORS,
    "figures": _PAGES,
    "json": tuple(_QUESTIONS),
}
"""The actions that use an option; the others refuse it."""
