"""Tasks that ask a network to remember: generated sequences from the literature, and small digits a pixel at a time."""

from __future__ import annotations

import gzip
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

DIGITS = Path(__file__).resolve().parents[3] / "shared" / "data" / "image" / "digits.csv.gz"

Batch = tuple[Tensor, Tensor]
"""Inputs (batch, time, input) and targets: (batch, 1) numbers, or classes (batch,)."""


def adding_problem(batch: int, time: int, generator: Generator) -> Batch:
    """Two channels: numbers in [0, 1], and a mask with a one in each half. The target is the sum of the two marked.

    Hochreiter and Schmidhuber 1997, experiment 4, in the form of Le et al. 2015, section 4.1. Always answering 1 has
    the error 1/6, the variance of the sum.
    """
    values, marks, rows = torch.rand(batch, time, generator=generator), torch.zeros(batch, time), torch.arange(batch)
    marks[rows, torch.randint(0, time // 2, (batch,), generator=generator)] = 1
    marks[rows, torch.randint(time // 2, time, (batch,), generator=generator)] = 1
    return torch.stack([values, marks], dim=2), (values * marks).sum(dim=1, keepdim=True)


def temporal_order(batch: int, time: int, generator: Generator) -> Batch:
    """Of 8 symbols, X and Y stand twice among distractors: the class is which pair, in its order (4 classes).

    Hochreiter and Schmidhuber 1997, experiment 6a: the first at 10 to 20 % of the length, the second at
    50 to 60 %, after a symbol of the start and before one of the end. Its lengths of 100 to 110 are one length here.
    """
    distractors, start, end, x = 4, 6, 7, 4
    symbols = torch.randint(0, distractors, (batch, time), generator=generator)
    pair = torch.randint(0, 2, (batch, 2), generator=generator)
    rows = torch.arange(batch)
    symbols[rows, torch.randint(time // 10, time // 5, (batch,), generator=generator)] = x + pair[:, 0]
    symbols[rows, torch.randint(time // 2, time * 6 // 10, (batch,), generator=generator)] = x + pair[:, 1]
    symbols[:, 0], symbols[:, -1] = start, end
    return F.one_hot(symbols, 8).float(), 2 * pair[:, 0] + pair[:, 1]


def digits(path: Path = DIGITS) -> tuple[Batch, Batch]:
    """Handwritten digits of 8 x 8 pixels as 64 steps: what is trained on, and every fifth, which is held out.

    The pixel-by-pixel task of Le et al. 2015, section 4.2, on smaller pictures.
    """
    with gzip.open(path, "rt") as lines:
        rows = torch.tensor([[int(number) for number in line.split(",")] for line in lines])
    pixels, labels = rows[:, :-1, None].float() / 16, rows[:, -1]
    held_out = torch.arange(len(rows)) % 5 == 4
    return (pixels[~held_out], labels[~held_out]), (pixels[held_out], labels[held_out])
