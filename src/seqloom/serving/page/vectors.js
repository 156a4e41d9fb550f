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

function places(words, onpick) {
  const xs = words.map((item) => item.x), ys = words.map((item) => item.y);
  const scale = (value, all, size) => 30 + ((size - 60) * (value - Math.min(...all))) / (Math.max(...all) - Math.min(...all) || 1);
  const svg = drawing("svg", { viewBox: "0 0 420 320", role: "img", "aria-label": "the nearest words by their two principal components" });
  const taken = [];
  for (const item of words) {
    const x = scale(item.x, xs, 420), y = scale(item.y, ys, 320), half = 3.4 * item.word.length + 2;
    const hides = taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 13);
    const mark = hides // a label on another cannot be read: a dot, which says its word when it is pointed at
      ? drawing("circle", { cx: x, cy: y, r: 3, fill: "var(--c0)", class: "pick" }, drawing("title", {}, item.word))
      : drawing("text", { x, y: y + 4, "text-anchor": "middle", opacity: 0.35 + 0.65 * Math.max(item.cosine, 0), class: "pick" }, item.word);
    if (!hides) taken.push({ x, y, half });
    mark.addEventListener("click", () => onpick(item.word));
    svg.append(mark);
  }
  return svg;
}
