"""Exports word vectors to word2vec's formats, which gensim, fastText and most other programs read."""

from __future__ import annotations

import sys
from pathlib import Path

from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.run import Run
from seqloom.run.embeddings import Vectors


@exporters.register("word2vec", "The formats of word2vec for vectors of words, as text or binary.")
def word2vec(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes a vector for each word: binary if the file ends in `.bin`, otherwise text, as in fastText's `.vec`."""
    options.only(format_name="word2vec")
    vectors = Vectors.open(run.folder)
    written = vectors.save(file)
    if written < len(vectors):
        print(f"skipped: {len(vectors) - written} tokens that contain whitespace", file=sys.stderr)
