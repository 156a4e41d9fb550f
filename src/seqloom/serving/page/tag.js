// A sentence with a tag below each word, and its spans.

import { afterChanges, ask, element, errorPlace, modelChoice, percent } from "./dom.js";

export function tagPanel(models) {
  const error = errorPlace(), answer = element("div", { "aria-live": "polite" });
  const text = element("textarea", { placeholder: "Write a sentence, with spaces around punctuation …", "aria-label": "sentence" });
  const changed = afterChanges(error, update, 250);
  const model = modelChoice(models, changed);
  text.addEventListener("input", changed);

  async function update(signal) {
    const lines = text.value.split("\n").filter((line) => line.trim());
    if (!lines.length) return answer.replaceChildren();
    const { results } = await ask("/v1/tag", { model: model.value, input: lines }, signal);
    answer.replaceChildren(...results.map(sentence));
  }

  return element("div", {}, text, element("div", { className: "row" }, model.place), error, answer);
}

function sentence({ words, spans }) {
  const shown = words.map((word) => element("span", { className: "tagged", title: percent(word.probability) }, word.text, element("small", {}, word.tag)));
  if (!spans) return element("p", {}, ...shown);
  const colours = new Map([...new Set(spans.map((span) => span.label))].map((label, number) => [label, `var(--c${number % 8})`]));
  const parts = [];
  let place = 0;
  for (const span of spans) {
    const first = words.findIndex((word) => word.start === span.start), last = words.findIndex((word) => word.end === span.end);
    parts.push(...shown.slice(place, first));
    const colour = colours.get(span.label);
    parts.push(element("span", { className: "span", style: { borderColor: colour } }, ...shown.slice(first, last + 1), element("b", { style: { color: colour } }, span.label)));
    place = last + 1;
  }
  parts.push(...shown.slice(place));
  return element("p", {}, ...parts);
}
