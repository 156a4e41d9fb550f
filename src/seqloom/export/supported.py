"""Which models can be exported in which formats, and under which conditions; the documents' table is made from it."""

from __future__ import annotations

from collections.abc import Iterator

from seqloom.tasks import tasks

_OF_TEXT = ("classify", "language-model", "tag", "translate")
_TABLES = ("bow", "joint-ngram", "mix", "ngram")
"""Models of text that are no networks with an embedding: a page has no program for them, and they have no vectors."""

FORMATS = ("onnx", "ctranslate2", "web", "arpa", "word2vec", "fasttext")


def condition(file_format: str, task: str, model: str) -> str | None:
    """The settings that a model needs for a format, empty if none; None if it cannot be exported in this format."""
    has_embedding = task in _OF_TEXT and model not in _TABLES
    if file_format == "onnx":
        return "" if task in (*_OF_TEXT, "algorithm", "describe", "forecast", "transcribe", "vectors") else None
    if file_format == "ctranslate2" and model == "transformer":
        needs = {"translate": "output.kind=full", "language-model": "data.mode=lines, output.kind=full"}
        return needs.get(task)
    if file_format == "web":
        return "" if has_embedding else None
    if file_format == "arpa":
        return "" if model == "ngram" else None
    if file_format in ("word2vec", "fasttext"):
        return "" if has_embedding or task == "vectors" else None
    return None


def exportable(file_format: str) -> Iterator[tuple[str, str]]:
    """The task and the name of every model that can be exported in the format."""
    for task in tasks:
        for model in tasks[task].models():
            if condition(file_format, task, model) is not None:
                yield task, model
