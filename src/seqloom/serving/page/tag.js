// A sentence with a tag below each word, and its spans; or steps of numbers, those with one tag after each other together.

import { afterChanges, ask, element, errorPlace, modelChoice, percent } from "./dom.js";

export function tagPanel(models) {
  const error = errorPlace(), answer = element("div", { "aria-live": "polite" });
  const text = element("textarea", {});
  const changed = afterChanges(error, update, 250);
  const model = modelChoice(models, () => { describe(); changed(); });
  const sized = element("span", { className: "soft" });
  text.addEventListener("input", changed);

  const channels = () => models.find((choice) => choice.id === model.value).facts.channels;

  function describe() {
    text.placeholder = channels() ? "A step on each line: its numbers, separated by commas …" : "Write a sentence, with spaces around punctuation …";
    text.setAttribute("aria-label", channels() ? "steps" : "sentence");
    sized.textContent = channels() ? `${channels()} numbers in a step` : "";
  }

  async function update(signal) {
    const lines = text.value.split("\n").filter((line) => line.trim());
    if (!lines.length) return answer.replaceChildren();
    const input = channels() ? [lines.map(numbersOf)] : lines;
    const { results } = await ask("/v1/tag", { model: model.value, input }, signal);
    answer.replaceChildren(...results.map((result) => result.steps.length ? sequence(result.steps) : sentence(result)));
  }

  describe();
  return element("div", {}, text, element("div", { className: "row" }, model.place, sized), error, answer);
}

function numbersOf(line) {
  const numbers = line.split(/[\s,;]+/).filter(Boolean).map(Number);
  if (!numbers.every(Number.isFinite)) throw new Error(`a value is no number: ${line}`);
  return numbers;
}

function sequence(steps) {
  const runs = [];
  steps.forEach(({ tag, probability }, number) => {
    const last = runs.at(-1);
    if (last?.tag === tag) Object.assign(last, { to: number + 1, least: Math.min(last.least, probability) });
    else runs.push({ tag, from: number + 1, to: number + 1, least: probability });
  });
  return element("p", {}, ...runs.map(({ tag, from, to, least }) => element("span", { className: "tagged", title: `${percent(least)} or more` },
    from === to ? `${from}` : `${from}–${to}`, element("small", {}, tag))));
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
