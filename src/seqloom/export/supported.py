"""Which models can be exported in which formats, and under which conditions; the documents' table is made from it."""

from __future__ import annotations

from collections.abc import Iterator

from seqloom.tasks import tasks
from seqloom.tasks.forecast import CLOSED_FORM

_NETWORKS = ("algorithm", "classify", "language-model", "tag", "translate")
_WITH_PAGE = ("classify", "language-model", "tag", "translate")
_COUNTED = ("mix", "ngram")

FORMATS = ("onnx", "ctranslate2", "web", "arpa", "word2vec", "fasttext")


def condition(file_format: str, task: str, model: str) -> str | None:
    """The settings that a model needs for a format, empty if none; None if it cannot be exported in this format."""
    if file_format == "onnx":
        if task == "forecast":
            return None if model in (*CLOSED_FORM, "mix") else ""
        return "" if task in (*_NETWORKS, "vectors") else None
    if file_format == "ctranslate2" and model == "transformer":
        needs = {"translate": "output.kind=full", "language-model": "data.mode=lines, output.kind=full"}
        return needs.get(task)
    if file_format == "web":
        return "" if task in _WITH_PAGE and model not in (*_COUNTED, "bow") else None
    if file_format == "arpa":
        return "" if model == "ngram" else None
    if file_format in ("word2vec", "fasttext"):
        has_words = task in ("vectors", "translate", "tag") or (task == "language-model" and model not in _COUNTED)
        return "" if has_words or (task == "classify" and model != "bow") else None
    return None


def exportable(file_format: str) -> Iterator[tuple[str, str]]:
    """The task and the name of every model that can be exported in the format."""
    for task in tasks:
        for model in tasks[task].models():
            if condition(file_format, task, model) is not None:
                yield task, model
