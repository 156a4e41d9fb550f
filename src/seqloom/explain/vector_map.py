"""A map of words: their vectors along the two directions in which they differ most, on a page to move and search in."""

from __future__ import annotations

import json
from html import escape

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.errors import SeqloomError
from seqloom.models.word_vectors.table import VectorTable
from seqloom.page import page

_MOST = 20_000
"""Words on a page: more could not be read, and the page would be slow."""

_STYLE = """
#map { width: 100%; height: 70vh; border: 1px solid var(--rule); touch-action: none; cursor: grab }
#find { font: inherit; padding: .3rem .6rem; width: 16rem; color: inherit; background: var(--tint);
  border: 1px solid var(--rule) }
body { max-width: 1200px }
"""

_SCRIPT = """
const words = DATA.words, xs = DATA.x, ys = DATA.y;
const canvas = document.getElementById('map'), find = document.getElementById('find');
const pen = canvas.getContext('2d'), style = getComputedStyle(document.documentElement);
const ink = style.getPropertyValue('--ink'), soft = style.getPropertyValue('--soft');
const marked = style.getPropertyValue('--c1');
let scale = 1, left = 0, top_ = 0, drag = null, chosen = -1;
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
  const box = size(), taken = [];
  pen.clearRect(0, 0, box.width, box.height);
  pen.font = '12px system-ui, sans-serif';
  const free = (x, y, wide) => !taken.some(t => x < t[0] + t[2] && t[0] < x + wide && Math.abs(y - t[1]) < 13);
  const order = chosen < 0 ? [] : [chosen];
  for (let i = 0; i < words.length; i++) if (i !== chosen) order.push(i);
  for (const i of order) {
    const x = left + xs[i] * scale, y = top_ - ys[i] * scale;
    if (x < -80 || y < -10 || x > box.width + 10 || y > box.height + 10) continue;
    pen.fillStyle = i === chosen ? marked : soft;
    pen.globalAlpha = i === chosen ? 1 : 0.45;
    pen.fillRect(x - 1, y - 1, i === chosen ? 5 : 2, i === chosen ? 5 : 2);
    pen.globalAlpha = 1;
    const wide = 7 * words[i].length + 4;
    if (taken.length < 400 && (i === chosen || free(x + 4, y, wide))) {
      taken.push([x + 4, y, wide]);
      pen.fillStyle = i === chosen ? marked : ink;
      pen.fillText(words[i], x + 4, y + 4);
    }
  }
}
canvas.addEventListener('wheel', event => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect(), by = Math.exp(-event.deltaY / 500);
  const x = event.clientX - box.left, y = event.clientY - box.top;
  left = x - (x - left) * by; top_ = y - (y - top_) * by; scale *= by; draw();
}, { passive: false });
canvas.addEventListener('pointerdown', event => { drag = [event.clientX - left, event.clientY - top_]; });
window.addEventListener('pointermove', event => {
  if (drag) { left = event.clientX - drag[0]; top_ = event.clientY - drag[1]; draw(); }
});
window.addEventListener('pointerup', () => { drag = null; });
find.addEventListener('input', () => {
  chosen = words.indexOf(find.value.trim());
  if (chosen >= 0) {
    const box = canvas.getBoundingClientRect();
    left = box.width / 2 - xs[chosen] * scale; top_ = box.height / 2 + ys[chosen] * scale;
  }
  draw();
});
window.addEventListener('resize', draw);
fit(); draw();
"""


def principal_components(
    rows: Float[NDArray[np.float32], "words dim"], count: int = 2
) -> tuple[Float[NDArray[np.float64], "words count"], NDArray[np.float64]]:
    """The rows, each of length 1, along the `count` directions of largest variance; and each one's share of it all."""
    units = rows.astype(np.float64) / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    units -= units.mean(0)
    values, directions = np.linalg.eigh(units.T @ units)
    order = np.argsort(-values)[:count]
    chosen = directions[:, order]
    chosen *= np.where(chosen[np.abs(chosen).argmax(0), np.arange(chosen.shape[1])] < 0, -1, 1)
    return units @ chosen, values[order] / max(float(values.sum()), 1e-300)


def vector_map_html(table: VectorTable, title: str, most_words: int = 0) -> str:
    """The page, with the most frequent words, which loads nothing from anywhere."""
    if table.dim < 2 or len(table) < 2:
        raise SeqloomError(
            "there is nothing to lay out", got=f"{len(table)} words of {table.dim} numbers", expected="2"
        )
    places = table.frequent(min(most_words or _MOST, _MOST))
    found, shares = principal_components(table.matrix[places])
    found /= max(float(np.abs(found).max()), 1e-12)
    data = {
        "words": [table.words[place] for place in places.tolist()],
        "x": np.round(found[:, 0], 4).tolist(),
        "y": np.round(found[:, 1], 4).tolist(),
    }
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    body = f"""<h1>{escape(title)}</h1>
<p class="soft">{len(places):,} words along their first two principal components, which hold {shares.sum():.0%} of the
variance of their directions: what is near here need not be near in all {table.dim}. Drag to move, turn the wheel to
come closer.</p>
<p><input id="find" placeholder="find a word" aria-label="find a word"></p>
<canvas id="map" role="img" aria-label="map of words"></canvas>
<script>const DATA = {content};{_SCRIPT}</script>"""
    return page(title, body, _STYLE)
