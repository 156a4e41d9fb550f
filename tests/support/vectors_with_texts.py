"""Vectors with texts: scenes of a shape, a colour and a place, each in numbers of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import seqloom
from tests.support.shared import shared

SHAPES, COLOURS, PLACES = ("circle", "square", "star"), ("red", "green", "blue"), ("left", "right")
SMALL_NETWORK: dict[str, Any] = {
    "embedding.dim": 12, "encoder.hidden_size": 16, "decoder.hidden_size": 16, "training.average": 0,
    "training.evaluations": 3,
}  # fmt: skip


def scene(shape: str, colour: str, place: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """(8,): one of three, one of three, one of two, and noise."""
    parts = [np.eye(3)[SHAPES.index(shape)], np.eye(3)[COLOURS.index(colour)], np.eye(2)[PLACES.index(place)]]
    return (np.concatenate(parts) + rng.normal(size=8) * 0.1).astype(np.float32)


def caption(shape: str, colour: str, place: str) -> str:
    return f"a {colour} {shape} on the {place}"


def draw_scenes(scenes: int, seed: int) -> tuple[list[NDArray[np.float32]], list[str]]:
    """Vectors and their captions."""
    rng, vectors, captions = np.random.default_rng(seed), [], []
    for _ in range(scenes):
        shape, colour, place = (str(rng.choice(kind)) for kind in (SHAPES, COLOURS, PLACES))
        vectors.append(scene(shape, colour, place, rng))
        captions.append(caption(shape, colour, place))
    return vectors, captions


def write_scenes(path: Path, scenes: int = 240, seed: int = 1) -> str:
    """A CSV file with a header and the caption last."""
    path = path.with_suffix(".csv")
    rows = ["a,b,c,d,e,f,g,h,caption"]
    for numbers, text in zip(*draw_scenes(scenes, seed), strict=True):
        rows.append(",".join(f"{number:.4f}" for number in numbers) + f",{text}")
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def write_archive(path: Path, scenes: int = 240, seed: int = 1) -> str:
    """The same as a NumPy archive."""
    vectors, captions = draw_scenes(scenes, seed)
    np.savez(path, vectors=np.stack(vectors), texts=captions)
    return str(path)


def train_scenes(
    out: Path, *, model: str = "gru", updates: int = 6, resume: bool = False, data: str = "", **settings: Any
) -> seqloom.Run:
    """A run in `out` of scenes beside it; settings are written with `__` for their dots."""
    data = data or write_scenes(out.parent / "scenes.csv")
    sizes: dict[str, Any] = dict(SMALL_NETWORK)
    if model == "transformer":
        sizes = {n: v for n, v in sizes.items() if "hidden_size" not in n}
        sizes |= {"encoder.model_dim": 16, "decoder.model_dim": 16}
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return seqloom.train(
        "describe", data, model=model, updates=updates, out=out, threads=1, quiet=True, resume=resume,
        settings={**sizes, **dotted},
    )  # fmt: skip


def shared_scenes_run(factory: pytest.TempPathFactory, **options: Any) -> seqloom.Run:
    return shared(factory, train_scenes, **options)
