"""The public names of `seqloom`: each can be used again and again, whatever else has been imported, and has help."""

from __future__ import annotations

import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seqloom
from tests.support.texts import write_text

USE_ALL_TWICE = """
import pkgutil, sys
from importlib import import_module
from pathlib import Path

import seqloom

for module in pkgutil.walk_packages(seqloom.__path__, "seqloom."):
    if not module.name.endswith("__main__"):
        import_module(module.name)

text, folder = sys.argv[1], Path(sys.argv[2])
small = {"model.hidden_size": 8, "embedding.dim": 8, "data.batch_size": 2, "data.horizon": 8}


def compare(number):
    compared = seqloom.compare("language-model", text, models=["ngram"], out=folder / "compared", updates=1, seeds=1,
                               threads=1, quiet=True)  # the second time, it is finished
    assert {row.model for row in compared.rows} == {"ngram"}


def refuse(number):
    try:
        seqloom.load(folder / "nothing")
    except seqloom.RequestError as error:
        assert isinstance(error, seqloom.SeqloomError)
    else:
        raise AssertionError("a folder that does not exist was loaded")


def train(number):
    run = seqloom.train("language-model", text, model="rnn", updates=1, threads=1, out=folder / f"run{number}",
                        settings=small, quiet=True)
    assert isinstance(run, seqloom.Run)


USES = {
    "compare": compare,
    "RequestError": refuse,
    "SeqloomError": refuse,
    "Run": train,
    "train": train,
    "load": lambda number: seqloom.load(folder / "run1").plan,
    "Vectors": lambda number: seqloom.Vectors.open(folder / "run1"),
    "tokenizer": lambda number: seqloom.tokenizer(lambda text: text.split()),
    "read_arpa": lambda number: seqloom.read_arpa(sys.argv[3], folder / f"arpa{number}"),
    "__version__": lambda number: seqloom.__version__.split("."),
}
assert USES.keys() == set(seqloom.__all__), USES.keys() ^ set(seqloom.__all__)
for number in (1, 2):
    for use in dict.fromkeys([train, *USES.values()]):  # first what others open
        use(number)
"""

ARPA = """\\data\\
ngram 1=4
ngram 2=1

\\1-grams:
-1.0 <unk>
-99 <s> -0.3
-0.5 </s>
-0.4 a -0.2

\\2-grams:
-0.2 <s> a

\\end\\
"""


def test_every_public_name_can_be_used_twice_after_all_modules_have_been_imported(tmp_path: Path) -> None:
    (tmp_path / "model.arpa").write_text(ARPA, encoding="utf-8")
    text = write_text(tmp_path / "text.txt")
    command = [sys.executable, "-c", USE_ALL_TWICE, text, tmp_path, tmp_path / "model.arpa"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(set(seqloom.__all__) - {"__version__"}))
def test_every_public_name_has_help(name: str) -> None:
    shown = pydoc.plain(pydoc.render_doc(seqloom))
    assert re.search(rf"^    (class )?{name}\(", shown, flags=re.MULTILINE)
    assert f"VERSION\n    {seqloom.__version__}" in shown
    assert (getattr(seqloom, name).__doc__ or "").strip()
