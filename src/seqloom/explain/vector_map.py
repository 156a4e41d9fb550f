"""A map of words: their vectors along the two directions in which they differ most, on a page to move and search in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.charts.figure import DataTable, Figure
from seqloom.charts.names import name_width
from seqloom.charts.page import Page
from seqloom.charts.theme import resolve
from seqloom.errors import SeqloomError
from seqloom.models.word_vectors.table import VectorTable

_MOST = 20_000
"""Words on a page: more could not be read, and the page would be slow."""

_STYLE = """
#map { display: block; width: 100%; height: 70vh; border: 1px solid var(--rule); touch-action: none; cursor: grab }
.find { display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: baseline }
#find { font: inherit; padding: .3rem .6rem; width: 16rem; max-width: 100%; color: inherit; background: var(--tint);
  border: 1px solid var(--rule) }
body { max-width: 1200px }
@media print { #map { display: none } }
"""

_SCRIPT = """
const words = DATA.words, xs = DATA.x, ys = DATA.y;
const canvas = document.getElementById('map'), find = document.getElementById('find');
const near = document.getElementById('near'), pen = canvas.getContext('2d');
const root = getComputedStyle(document.documentElement), colour = name => root.getPropertyValue(name);
let scale = 1, left = 0, top_ = 0, drag = null, selected = -1;
function size() {
  const box = canvas.getBoundingClientRect(), dots = window.devicePixelRatio || 1;
  canvas.width = box.width * dots; canvas.height = box.height * dots;
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  return box;
}
function fit() {
  const box = canvas.getBoundingClientRect();
  scale = Math.min(box.width, box.height) * 0.46;
  left = box.width / 2; top_ = box.height / 2;
}
function draw() {
  const box = size(), taken = [], ink = colour('--ink'), soft = colour('--soft'), marked = colour('--c1');
  pen.clearRect(0, 0, box.width, box.height);
  pen.font = '12px system-ui, sans-serif';
  const free = (x, y, wide) => !taken.some(t => x < t[0] + t[2] && t[0] < x + wide && Math.abs(y - t[1]) < 13);
  const order = selected < 0 ? [] : [selected];
  for (let i = 0; i < words.length; i++) if (i !== selected) order.push(i);
  for (const i of order) {
    const x = left + xs[i] * scale, y = top_ - ys[i] * scale;
    if (x < -80 || y < -10 || x > box.width + 10 || y > box.height + 10) continue;
    pen.fillStyle = i === selected ? marked : soft;
    pen.globalAlpha = i === selected ? 1 : 0.45;
    pen.fillRect(x - 1, y - 1, i === selected ? 5 : 2, i === selected ? 5 : 2);
    pen.globalAlpha = 1;
    const wide = 7 * words[i].length + 4;
    if (taken.length < 400 && (i === selected || free(x + 4, y, wide))) {
      taken.push([x + 4, y, wide]);
      pen.fillStyle = i === selected ? marked : ink;
      pen.fillText(words[i], x + 4, y + 4);
    }
  }
}
function zoom(by, x, y) {
  left = x - (x - left) * by; top_ = y - (y - top_) * by; scale *= by; draw();
}
function say() {
  const word = find.value.trim();
  if (selected < 0) { near.textContent = word ? 'not on the map' : ''; return; }
  const far = i => (xs[i] - xs[selected]) ** 2 + (ys[i] - ys[selected]) ** 2;
  const others = words.map((_, i) => i).filter(i => i !== selected).sort((a, b) => far(a) - far(b)).slice(0, 8);
  near.textContent = 'nearest on the map: ' + others.map(i => words[i]).join(', ');
}
canvas.addEventListener('wheel', event => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 500), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
canvas.addEventListener('pointerdown', event => { drag = [event.clientX - left, event.clientY - top_]; });
window.addEventListener('pointermove', event => {
  if (drag) { left = event.clientX - drag[0]; top_ = event.clientY - drag[1]; draw(); }
});
window.addEventListener('pointerup', () => { drag = null; });
canvas.addEventListener('keydown', event => {
  const box = canvas.getBoundingClientRect(), move = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60],
    ArrowDown: [0, -60] }[event.key];
  if (move) { left += move[0]; top_ += move[1]; draw(); }
  else if (event.key === '+' || event.key === '=') zoom(1.25, box.width / 2, box.height / 2);
  else if (event.key === '-') zoom(0.8, box.width / 2, box.height / 2);
  else if (event.key === '0') { fit(); draw(); }
  else return;
  event.preventDefault();
});
find.addEventListener('input', () => {
  selected = words.indexOf(find.value.trim());
  if (selected >= 0) {
    const box = canvas.getBoundingClientRect();
    left = box.width / 2 - xs[selected] * scale; top_ = box.height / 2 + ys[selected] * scale;
  }
  say(); draw();
});
window.addEventListener('resize', draw);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
fit(); draw();
"""

_SIDE = 760  # pixels of the picture in a file
_MOST_LABELS = 250
_FONT = "font: 12px system-ui, sans-serif"


@dataclass(frozen=True)
class WordMap(Figure):
    """The page's map is a canvas of our own: Altair has no labels that give way to each other when one comes closer,
    and is slow with 20,000 words. The file's picture names those words that have room, the most frequent first."""

    words: Sequence[str]
    places: Float[NDArray[np.float64], "words 2"]

    def inline_svg(self) -> str:
        dots, names = [], []
        taken: list[tuple[float, float, float]] = []
        for word, (x, y) in zip(self.words, ((self.places * (0.46, -0.46) + 0.5) * _SIDE).tolist(), strict=True):
            dots.append(f"M{x:.1f} {y:.1f}h2")
            wide = name_width(word, 7.0) + 4
            room = all(x + wide < left or left + width < x or abs(y - top) >= 13 for left, top, width in taken)
            if room and x + wide < _SIDE and len(taken) < _MOST_LABELS:
                taken.append((x, y, wide))
                names.append(f'<text x="{x + 4:.1f}" y="{y + 4:.1f}" fill="var(--ink)">{escape(word)}</text>')
        path = f'<path d="{"".join(dots)}" stroke="var(--soft)" stroke-width="2" stroke-opacity="0.45"/>'
        size = f'viewBox="0 0 {_SIDE} {_SIDE}" width="{_SIDE}" height="{_SIDE}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{_FONT}">{path}{"".join(names)}</svg>'

    def svg(self) -> str:
        return resolve(self.inline_svg())

    def html(self) -> str:
        data = {"words": list(self.words), "x": self.places[:, 0].tolist(), "y": self.places[:, 1].tolist()}
        content = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        return f"""<p class="find"><input id="find" type="search" placeholder="find a word" aria-label="find a word">
<output id="near" class="soft" aria-live="polite"></output></p>
<canvas id="map" role="img" tabindex="0" aria-label="{escape(self.label)}"></canvas>
<noscript>{self.inline_svg()}</noscript>
<script>const DATA = {content};{_SCRIPT}</script>"""


def principal_components(
    rows: Float[NDArray[np.float32], "words dim"], count: int = 2
) -> tuple[Float[NDArray[np.float64], "words count"], NDArray[np.float64]]:
    """The rows, each of length 1, along the `count` directions of largest variance; and each one's share of it all."""
    units = rows.astype(np.float64) / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    units -= units.mean(0)
    values, directions = np.linalg.eigh(units.T @ units)
    order = np.argsort(-values)[:count]
    axes = directions[:, order]
    axes *= np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1, 1)
    return units @ axes, values[order] / max(float(values.sum()), 1e-300)


def vector_map_page(table: VectorTable, title: str, most_words: int = 0) -> Page:
    """The page of the most frequent words, at most 20,000 of them."""
    if table.dim < 2 or len(table) < 2:
        raise SeqloomError(
            "there is nothing to lay out",
            got=f"{len(table)} words of dimension {table.dim}",
            expected="2 or more of each",
        )
    frequent = table.frequent(min(most_words or _MOST, _MOST))
    places, shares = principal_components(table.matrix[frequent])
    places = np.round(places / max(float(np.abs(places).max()), 1e-12), 4)
    words = [table.words[place] for place in frequent.tolist()]
    label = "map of words; arrow keys move, plus and minus zoom, 0 shows all"
    rows = [[word, f"{x:.3f}", f"{y:.3f}"] for word, (x, y) in zip(words, places.tolist(), strict=True)]
    figure = WordMap("map", label, DataTable(["word", "first component", "second component"], rows), words, places)
    body = f"""<h1>{escape(title)}</h1>
<p class="soft">{len(words):,} words along their first two principal components, which hold {shares.sum():.0%} of the
variance of their directions: what is near here need not be near in all {table.dim} dimensions. Drag or use the arrow
keys to move, turn the wheel or press + and - to come closer.</p>
{figure.html()}"""
    return Page(title, body, [figure], _STYLE)
