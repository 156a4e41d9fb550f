"""Runs from ARPA files: n-gram models that other programs estimated."""

from __future__ import annotations

from pathlib import Path

from seqloom.config import write_toml
from seqloom.data.corpus import Sources
from seqloom.data.text import TextCodec
from seqloom.data.word_tokenizer import WordTokenizer
from seqloom.files import make_folder
from seqloom.models.ngram.arpa_read import read_arpa as read_model
from seqloom.models.ngram.model import NgramModel
from seqloom.run.plan import Plan, check_folder, free_folder, make_settings
from seqloom.run.run import Run, load
from seqloom.training.budget import Budget


def read_arpa(path: str | Path, out: str | Path | None = None) -> Run:
    """The n-gram model of an ARPA file (`.gz` and `.xz` too) as a run in `out`, otherwise in a new folder under runs/.

    Words are what blanks separate. Raises SeqloomError with `file:line` where the file is broken.
    """
    folder = Path(out) if out is not None else free_folder(Path("runs") / "language-model-arpa")
    arpa = read_model(path)
    settings = make_settings("language-model", "ngram", {"model.order": arpa.store.order})
    plan = Plan("language-model", "ngram", Sources(str(path)), Budget(epochs=1), 1, settings)
    check_folder(folder, plan, resume=False)
    make_folder(folder)
    TextCodec(WordTokenizer(arpa.tokens)).save(folder)
    NgramModel.of(arpa.store).save(folder)
    write_toml(folder / "config.toml", plan.to_toml())
    return load(folder)
