"""Recognition of header rows in files whose columns normally have no names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seqloom.errors import warn

LABEL_NAMES = {"label", "labels", "class", "classes", "category", "target", "sentiment", "topic", "intent"}
TEXT_NAMES = {"text", "texts", "sentence", "document", "review", "question", "tweet", "comment", "message", "title"} | {
    "content", "body", "utterance", "query"
}  # fmt: skip
PAIR_NAMES = {"source", "target", "src", "tgt", "trg", "input", "output", "en", "de", "fr", "es", "it", "ru", "zh"} | {
    "english", "german", "french", "spanish", "italian", "portuguese", "dutch", "russian", "turkish", "arabic"
}  # fmt: skip
SOURCE_NAMES = PAIR_NAMES - {"target", "tgt", "trg", "output"}
TARGET_NAMES = PAIR_NAMES - {"source", "src", "input"}
SENTENCE_NAMES = {"sentence", "sentence_id", "sent_id", "sentence #", "sentence_number"}
RATING_NAMES = {"score", "scores", "rating", "similarity", "relatedness", "human", "gold", "mean", "sim"}
WORD_NAMES = {"word", "words", "token", "tokens", "form"}
TAG_NAMES = {"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "pos_tag", "pos_tags"} | {
    "upos", "xpos", "chunk", "chunk_tags"
}  # fmt: skip


def names_columns(cells: Sequence[str], *names: Collection[str]) -> bool:
    """Whether each cell is one of the `names` of its column, and no two cells are equal."""
    lowercase = [cell.strip().lower() for cell in cells]
    fits = len(cells) == len(names) and all(cell in allowed for cell, allowed in zip(lowercase, names, strict=True))
    return fits and len(set(lowercase)) == len(lowercase)


def warn_of_header(cells: Sequence[str], where: str, assumed: str = "it is skipped") -> None:
    warn(f"the first row names the columns; {assumed}", where=where, got=" TAB ".join(cells))
