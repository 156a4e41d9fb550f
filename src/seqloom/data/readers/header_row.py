"""Recognition of header rows in files whose columns normally have no names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seqloom.errors import warn

LABEL_NAMES = {"label", "labels", "class", "classes", "category", "target"}
TEXT_NAMES = {"text", "texts", "sentence", "document", "review", "question", "tweet", "comment", "message", "title"}
PAIR_NAMES = {"source", "target", "src", "tgt", "trg", "input", "output", "en", "de", "fr", "es", "it", "ru", "zh"} | {
    "english", "german", "french", "spanish", "italian", "portuguese", "dutch", "russian", "turkish", "arabic"
}  # fmt: skip
RATING_NAMES = {"score", "scores", "rating", "similarity", "relatedness", "human", "gold", "mean", "sim"}
WORD_NAMES = {"word", "words", "token", "tokens", "form"}
TAG_NAMES = {"tag", "tags", "label", "labels", "ner", "ner_tag", "pos", "pos_tag", "upos", "xpos", "chunk"}


def names_columns(cells: Sequence[str], *names: Collection[str]) -> bool:
    """Whether each cell is one of the `names` of its column, and no two cells are equal."""
    lowercase = [cell.strip().lower() for cell in cells]
    fits = len(cells) == len(names) and all(cell in allowed for cell, allowed in zip(lowercase, names, strict=True))
    return fits and len(set(lowercase)) == len(lowercase)


def warn_of_header(cells: Sequence[str], where: str, assumed: str = "it is skipped") -> None:
    warn(f"the first row names the columns; {assumed}", where=where, got=" TAB ".join(cells))
