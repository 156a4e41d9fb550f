"""The palette can be told apart by everyone, on either paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from seqloom.charts.theme import DARK, LIGHT, SERIES_COLOURS, css_variables, resolve, series_colour, series_shape

# Machado, Oliveira and Fernandes (2009), severity 1; the first is normal sight.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
THEMES = {"light": LIGHT, "dark": DARK}


def linear(colour: str) -> NDArray[np.float64]:
    """Linear RGB of `#rrggbb`."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of linear RGB."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    """As the Web Content Accessibility Guidelines define it."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_series_differ_for_every_sight(theme: str, sight: str) -> None:
    series = [THEMES[theme][f"c{number}"] for number in range(SERIES_COLOURS)]
    seen = [lab(np.array(SIGHTS[sight]) @ linear(colour)) for colour in series]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) >= 20


@pytest.mark.parametrize("theme", THEMES)
def test_names_and_text_can_be_read_on_the_paper(theme: str) -> None:
    colours = THEMES[theme]
    readable = [*(f"c{number}" for number in range(SERIES_COLOURS)), "ink", "soft"]
    assert min(contrast(colours[name], colours["paper"]) for name in readable) >= 4.5


def test_both_themes_have_the_same_names_and_colours_resolve() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert all(f"--{name}: {colour}" in css_variables() for name, colour in (*LIGHT.items(), *DARK.items()))
    assert resolve("fill: var(--c0); stroke: var(--rule)") == f"fill: {LIGHT['c0']}; stroke: {LIGHT['rule']}"
    assert series_colour(SERIES_COLOURS) == series_colour(0)
    assert len({(series_colour(n), series_shape(n)) for n in range(SERIES_COLOURS)}) == SERIES_COLOURS
