// Words: the nearest ones with a map of them, and analogies.

import { afterChanges, ask, bars, drawing, element, errorPlace, modelChoice } from "./dom.js";

export function vectorsPanel(models) {
  const error = errorPlace(), near = element("div"), map = element("div"), answer = element("div");
  const word = element("input", { type: "text", value: "", placeholder: "a word", "aria-label": "word" });
  const analogy = ["man", "king", "woman"].map((name) => element("input", { type: "text", value: name, "aria-label": name }));
  const changed = afterChanges(error, update, 250);
  const model = modelChoice(models, () => { changed(); solve(); });
  const solve = afterChanges(error, solved, 250);
  word.addEventListener("input", changed);
  for (const input of analogy) input.addEventListener("input", solve);

  async function update(signal) {
    if (!word.value.trim()) return near.replaceChildren();
    const [words] = (await ask("/v1/nearest", { model: model.value, input: word.value.trim(), top: 40 }, signal)).results;
    near.replaceChildren(bars(words.slice(0, 12).map(cosine), (name) => { word.value = name; changed(); }));
    map.replaceChildren(places(words, (name) => { word.value = name; changed(); }));
  }

  async function solved(signal) {
    const [is, to, other] = analogy.map((input) => input.value.trim());
    if (!is || !to || !other) return answer.replaceChildren();
    const [words] = (await ask("/v1/analogy", { model: model.value, positive: [to, other], negative: [is], top: 5 }, signal)).results;
    answer.replaceChildren(bars(words.map(cosine)));
  }

  return element("div", {},
    element("div", { className: "row" }, model.place), error,
    element("div", { className: "columns" },
      element("section", {}, element("h2", {}, "Nearest words"), element("div", { className: "row" }, word), near),
      element("section", {}, element("h2", {}, "Map of them"), map),
      element("section", {}, element("h2", {}, "Analogy"), element("div", { className: "row" }, analogy[0], "is to", analogy[1], "as", analogy[2], "is to …"), answer)));
}

function cosine(item) {
  return { name: item.word, share: Math.max(item.cosine, 0), value: item.cosine.toFixed(2) };
}

const WIDTH = 360, HEIGHT = 320, DOT = 4;

// A dot for each word, and its name beside it where there is room.
function places(words, onpick) {
  const xs = words.map((item) => item.x), ys = words.map((item) => item.y);
  const scale = (value, all, size) => 24 + ((size - 48) * (value - Math.min(...all))) / (Math.max(...all) - Math.min(...all) || 1);
  const dots = words.map((item) => ({ item, x: scale(item.x, xs, WIDTH), y: scale(item.y, ys, HEIGHT) }));
  const taken = dots.map(({ x, y }) => ({ left: x - DOT, right: x + DOT, top: y - DOT, bottom: y + DOT }));
  const svg = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "the nearest words by their two principal components" });
  for (const { item, x, y } of dots) {
    const opacity = 0.4 + 0.6 * Math.max(item.cosine, 0);
    const group = drawing("g", { class: "pick", opacity }, drawing("title", {}, item.word), drawing("circle", { cx: x, cy: y, r: 3, fill: "var(--c0)" }));
    const free = beside(x, y, 6.8 * item.word.length).find((box) => inside(box) && !taken.some((other) => meet(box, other)));
    if (free) {
      taken.push(free);
      group.append(drawing("text", { x: free.left, y: free.bottom - 3 }, item.word));
    }
    group.addEventListener("click", () => onpick(item.word));
    svg.append(group);
  }
  return svg;
}

// Where a name can stand: at the right of its dot, at its left, above or below it.
function beside(x, y, width) {
  const box = (left, top) => ({ left, right: left + width, top, bottom: top + 13 });
  return [box(x + 6, y - 7), box(x - 6 - width, y - 7), box(x - width / 2, y - 19), box(x - width / 2, y + 6)];
}

function inside(box) {
  return box.left >= 0 && box.right <= WIDTH && box.top >= 0 && box.bottom <= HEIGHT;
}

function meet(box, other) {
  return box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom;
}
