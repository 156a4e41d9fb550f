"""Exports n-gram models to ARPA files, and imports them."""

from __future__ import annotations

from pathlib import Path

from seqloom.config import write_toml
from seqloom.data.corpus import Sources
from seqloom.data.text_codec import TextCodec
from seqloom.data.tokenizer import WordTokenizer
from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.formats.arpa.read import read_model
from seqloom.formats.arpa.write import write_model
from seqloom.models.ngram.model import NgramModel
from seqloom.run import Run, load
from seqloom.run.plan import Plan, check_folder, make_settings
from seqloom.storage.folder import locked_folder, locked_new_folder
from seqloom.training.budget import Budget


@exporters.register("arpa", "The ARPA format of n-gram models, which KenLM and SRILM read.")
def arpa(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes an n-gram model as text: log10 probabilities and back-off weights; a file `.gz` is compressed."""
    options.only(format_name="arpa")
    if not isinstance(run.model, NgramModel):
        raise RequestError(
            "only n-gram models can be written as ARPA files",
            where=str(run.folder),
            got=run.plan.model,
            expected="a run of ngram",
        )
    write_model(run.model.store, run.codec.tokenizer.tokens(), file)


def read_arpa(path: str | Path, out: str | Path | None = None) -> Run:
    """Makes a run of the n-gram model in an ARPA file (`.gz` and `.xz` too), in `out` or in a new folder under runs/.

    Words are separated by whitespace. Raises SeqloomError with `file:line` if the file is broken.
    """
    model = read_model(path)
    settings = make_settings("language-model", "ngram", {"model.order": model.store.order})
    plan = Plan("language-model", "ngram", Sources(str(path)), Budget(epochs=1), 1, settings)
    new = Path("runs") / "language-model-arpa"
    with locked_new_folder(new) if out is None else locked_folder(Path(out)) as folder:
        check_folder(folder, plan, resume=False)
        TextCodec(WordTokenizer(model.tokens)).save(folder)
        NgramModel.of(model.store).save(folder)
        write_toml(folder / "config.toml", plan.to_toml())
        return load(folder)
