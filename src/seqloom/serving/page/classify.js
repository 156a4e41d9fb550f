// Classes with probabilities, and which words spoke for the first of them.

import { afterChanges, ask, bars, element, errorPlace, modelChoice, shade } from "./dom.js";

const SHOWN = 10;

export function classifyPanel(models) {
  const error = errorPlace(), answer = element("div", { "aria-live": "polite" });
  const text = element("textarea", { placeholder: "Write a text; or numbers, separated by commas …", "aria-label": "text" });
  const changed = afterChanges(error, update, 250);
  const model = modelChoice(models, changed);
  text.addEventListener("input", changed);

  async function update(signal) {
    if (!text.value.trim()) return answer.replaceChildren();
    const numbers = text.value.split(/[\s,;]+/).filter(Boolean).map(Number);
    const isNumbers = numbers.length > 1 && numbers.every(Number.isFinite);
    const body = { model: model.value, input: isNumbers ? [numbers] : text.value.replaceAll("\n", " "), words: !isNumbers };
    const [result] = (await ask("/v1/classify", body, signal)).results;
    if (result.number != null) return answer.replaceChildren(element("p", { className: "text" }, String(result.number)));
    const named = (label) => result.labels?.includes(label) ? `✓ ${label}` : label;
    answer.replaceChildren(bars(result.classes.slice(0, SHOWN).map((c) => ({ name: named(c.label), share: c.probability }))));
    if (result.words?.length) answer.append(element("h2", {}, `Words that spoke for ${result.classes[0].label}`), weighed(body.input, result.words));
  }

  return element("div", {}, text, element("div", { className: "row" }, model.place), error, answer);
}

function weighed(text, words) {
  const most = Math.max(...words.map((word) => Math.abs(word.weight)), 0.1);
  const parts = [];
  let place = 0;
  for (const word of words) {
    parts.push(text.slice(place, word.start), element("span", {
      className: "token", title: `${word.weight >= 0 ? "+" : ""}${word.weight.toFixed(2)} nats`,
      style: { background: shade(Math.abs(word.weight) / most, word.weight >= 0 ? "--c0" : "--c1") },
    }, word.text));
    place = word.end;
  }
  parts.push(text.slice(place));
  const key = element("div", { className: "key" }, "against", element("i", {
    style: { background: `linear-gradient(90deg, ${shade(1, "--c1")}, transparent, ${shade(1)})` } }), "for (what is lost without the word)");
  return element("div", {}, element("p", { className: "text" }, ...parts), key);
}
