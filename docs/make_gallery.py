"""Trains small models on generated and shipped data and writes the pages of the gallery into docs/_extra/gallery."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_GALLERY = _ROOT / "docs" / "_extra" / "gallery"


def main() -> None:
    _GALLERY.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        _write_pages(Path(folder))


def _write_pages(folder: Path) -> None:
    book = (_ROOT / "examples" / "moby_dick.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "text.txt").write_text("".join(book[:600]), encoding="utf-8")
    draws = random.Random(1)
    with (folder / "pairs.tsv").open("w", encoding="utf-8") as pairs:
        for _ in range(800):
            letters = [draws.choice("abcdef") for _ in range(draws.randint(2, 7))]
            pairs.write(f"{' '.join(letters)}\t{' '.join(reversed(letters))}\n")
    (folder / "sources.txt").write_text("a b c d\nf e d c b\n", encoding="utf-8")
    series = str(_ROOT / "examples" / "gunpoint_train.ts.gz")
    for command in (
        "compare language-model text.txt --models ffnn,lstm --updates 60 --seeds 2 --out compared",
        f"train classify {series} --model cnn --epochs 30 --out clips",
        f"evaluate clips {_ROOT / 'examples' / 'gunpoint_test.ts.gz'} --report {_GALLERY / 'report.html'}",
        "train translate pairs.tsv --model lstm+attention --updates 150 --out reversed",
        f"predict reversed sources.txt --alignments {_GALLERY / 'alignments.html'}",
        "train algorithm copy:length=1-5 --model ntm --sequences 600 --out copy",
        f"evaluate copy copy:length=5 --heads {_GALLERY / 'heads.html'}",
        "train vectors text.txt --model skipgram --epochs 5 --out words",
        f"vectors words map --out {_GALLERY / 'vectors_map.html'}",
        f"vectors words report --out {_GALLERY / 'vectors_report.html'}",
    ):
        print(f"seqloom {command}", file=sys.stderr)
        subprocess.run(
            [sys.executable, "-m", "seqloom", *command.split()], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
    shutil.copy(folder / "compared" / "report.html", _GALLERY / "compare.html")


if __name__ == "__main__":
    main()
