"""The option `--alignments` of `seqloom predict` and `seqloom score`: the attention of targets, written to a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqloom.errors import RequestError

if TYPE_CHECKING:
    from seqloom.decoding.alignment import Alignment


def check_figures(alignments: Path | None, figures: Path | None) -> None:
    """Raises RequestError if figures are requested without a page."""
    if figures is not None and (alignments is None or alignments.suffix != ".html"):
        raise RequestError(
            "there is no page with charts to write", where="--figures", hint="add --alignments FILE.html"
        )


def write_alignments(path: Path, aligned: Sequence[Alignment | None], figures: Path | None) -> None:
    from seqloom.explain.alignments import alignments_page
    from seqloom.files import write_atomic

    attended = [alignment for alignment in aligned if alignment is not None]
    if not attended:
        raise RequestError("the model has no attention to show", where=str(path), expected="a model with +attention")
    if path.suffix == ".html":
        alignments_page(attended, f"Attention of {len(attended)} lines").write(path, figures)
    else:
        plain = [alignment.to_json() for alignment in attended]
        write_atomic(path, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
