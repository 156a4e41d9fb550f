"""Captions: the names of handwritten digits from their 8 x 8 pixels, read row by row with attention."""

from pathlib import Path

import seqloom

images = Path(__file__).parent / "digits.csv.gz"
settings = {"data.parts": 8}
run = seqloom.train("describe", images, model="bigru+attention", updates=500, out="runs/captions", settings=settings)
print(f"exact match {run.summary['test']['exact_match']:.3f}")
