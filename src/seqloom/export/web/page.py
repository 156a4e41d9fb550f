"""Writes the web page of an exported run, one file with everything."""

from __future__ import annotations

import base64
import gzip
import html
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import seqloom_web
from seqloom.errors import RequestError, SeqloomError
from seqloom.export.onnx.folder import write_folder
from seqloom.export.options import ExportOptions
from seqloom.export.supported import condition
from seqloom.files import make_folder, write_atomic
from seqloom.models.tagger import FrameTagger
from seqloom.run import Run
from seqloom_portable.folder import Folder

LARGEST_BYTES = 30_000_000
"""Larger pages are refused, since browsers take long to open them."""

_SCRIPTS = ("tokenizer.js", "engine.js", "models.js", "page.js")
_TEXTS = ("tokenizer.json", "source_tokenizer.json", "target_tokenizer.json", "vocabulary.json")


class Words(NamedTuple):
    """The texts of a page for its reader."""

    description: str
    label: str
    button: str
    placeholder: str
    controls: str = ""


_TEMPERATURE = (
    '<label for="temperature">Temperature</label>'
    '<input id="temperature" type="number" min="0" max="5" step="0.1" value="0">'
)
WORDS = {
    "network language model": Words(
        "A language model: it continues your text. At temperature 0 it always takes the most probable token.",
        "Your text",
        "Continue",
        "Call me",
        _TEMPERATURE,
    ),
    "classifier": Words("", "Your text", "Classify", "a line of text"),
    "tagger": Words(
        "A tagger: it predicts a tag for every word.", "Your sentence", "Tag", "words, separated by spaces"
    ),
    "translator": Words(
        "A translator: it generates one sequence given another, and always takes the most probable token.",
        "Your text",
        "Translate",
        "a line of text",
    ),
}
_GRAPHS = {"translator": ("encoder", "step")}
_PREDICTED = {"class": "the class", "labels": "the labels (✓)", "number": "a number"}
"""What a classifier predicts, by the kind of its target."""


def write_page(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes one HTML file. Raises RequestError for a kind of model without a page, and ParityError as
    `write_folder`."""
    if file.suffix != ".html":
        raise RequestError("a web page is one file", where=str(file), expected="a name that ends in .html")
    _check_model(run)
    make_folder(file.parent)
    with tempfile.TemporaryDirectory() as temporary:
        write_folder(run, Path(temporary) / "model", options)
        folder = Folder(Path(temporary) / "model")
        parity = json.loads((folder.path / "parity.json").read_text(encoding="utf-8"))
        content = _page(folder, parity, options)
    if len(content) > LARGEST_BYTES:
        raise SeqloomError(
            "the page would be too large",
            where=str(file),
            got=f"{len(content) / 1e6:.0f} MB",
            expected=f"at most {LARGEST_BYTES / 1e6:.0f} MB",
            hint="--int8 makes the weights four times smaller",
        )
    write_atomic(file, content)


def _page(folder: Folder, parity: dict[str, Any], options: ExportOptions) -> bytes:
    facts, here = folder.manifest, Path(__file__).parent
    words, runtime = WORDS[facts["kind"]], seqloom_web.runtime()
    if facts["kind"] == "classifier":
        what = _PREDICTED[facts.get("target", {}).get("kind", "class")]
        of_text = facts["reading"]["text"]
        described = f"it predicts {what} of {'your text' if of_text else 'a sequence of numbers'}."
        words = words._replace(description=f"A classifier: {described}")
    if facts["kind"] == "classifier" and not facts["reading"]["text"]:
        words = words._replace(
            label="Your numbers, one step per line, its channels separated by commas",
            placeholder="0.5, 1.2, -3",
        )
    template = (here / "page.html").read_text(encoding="utf-8")
    page = template.format(
        title=html.escape(f"{facts['task']}: {facts['model']}"),
        description=html.escape(words.description),
        label=html.escape(words.label),
        button=html.escape(words.button),
        placeholder=html.escape(words.placeholder),
        controls=words.controls,
        about=html.escape(_about(parity, options)),
        license=html.escape(runtime.license),
        data="\n".join(_data(folder, runtime)),
        script="\n".join((here / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    )
    return page.encode()


def _about(parity: dict[str, Any], options: ExportOptions) -> str:
    answers = parity["answers"]
    parts = [f"Licence of the model: {options.license or 'not stated'}."]
    parts.append(f"Licence of its training data: {options.data_license or 'not stated'}.")
    if answers["lines"]:
        parts.append(
            f"Compared with the trained model: {answers['identical']} of {answers['lines']} answers identical."
        )
    return " ".join(parts)


def _data(folder: Folder, runtime: seqloom_web.Runtime) -> Iterator[str]:
    """HTML elements with the files: JSON as text, all others as gzip in base 64."""
    facts = folder.manifest
    graphs = _GRAPHS.get(facts["kind"], ("model",))
    yield _json("facts", facts)
    for name in _TEXTS:
        if (folder.path / name).exists():
            yield _json(f"file-{name}", json.loads((folder.path / name).read_text(encoding="utf-8")))
    for name in graphs:
        yield _packed(f"graph-{name}", gzip.compress((folder.path / f"{name}.onnx").read_bytes(), mtime=0))
    yield _packed("weights", gzip.compress((folder.path / "weights.bin").read_bytes(), mtime=0))
    yield _packed("ort-script", gzip.compress(runtime.script, mtime=0))
    yield _packed("ort-wasm", runtime.wasm)


def _json(name: str, content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _packed(name: str, content: bytes) -> str:
    return f'<script type="text/plain" id="{name}">{base64.b64encode(content).decode("ascii")}</script>'


def _check_model(run: Run) -> None:
    """Raises RequestError for a model without a page."""
    if isinstance(run.model, FrameTagger):
        raise RequestError(
            "there is no page for a tagger of numbers", where=str(run.folder), hint="export it with --to onnx"
        )
    if condition("web", run.plan.task, run.plan.model) is None:
        raise RequestError(
            "there is no page for this model",
            where=str(run.folder),
            got=f"{run.plan.task}, {run.plan.model}",
            expected="a network of classify, language-model, tag or translate",
        )
