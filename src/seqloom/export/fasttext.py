"""Exports word vectors to fastText's binary files."""

from __future__ import annotations

import sys
from pathlib import Path

from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.formats.fasttext import write_fasttext
from seqloom.run import Run
from seqloom.run.embeddings import Vectors


@exporters.register("fasttext", "The binary format of fastText for vectors of words and of character n-grams.")
def fasttext(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes a vector for each word and, if the run has character n-grams, for each of their buckets."""
    options.only(format_name="fasttext")
    vectors = Vectors.open(run.folder)
    written = write_fasttext(vectors, file)
    if written < len(vectors):
        print(f"skipped: {len(vectors) - written} tokens that contain whitespace", file=sys.stderr)
