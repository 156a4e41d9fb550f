// A vector, or a sequence of vectors, and the texts that the model writes about it.

import { afterChanges, ask, element, errorPlace, modelChoice } from "./dom.js";
import { translated } from "./translate.js";

export function describePanel(models) {
  const error = errorPlace(), answer = element("div", { "aria-live": "polite" });
  const text = element("textarea", { placeholder: "Numbers, separated by commas; a line for each vector of a sequence …", "aria-label": "vector" });
  const count = element("input", { type: "number", min: 1, max: 16, value: 5 });
  const changed = afterChanges(error, update, 300);
  const model = modelChoice(models, () => { size(); changed(); });
  const sized = element("span", { className: "soft" });
  for (const input of [text, count]) input.addEventListener("input", changed);

  function size() {
    const { facts } = models.find((choice) => choice.id === model.value);
    sized.textContent = `${facts.channels} numbers in a vector`;
  }

  async function update(signal) {
    const lines = text.value.split("\n").filter((line) => line.trim());
    if (!lines.length) return answer.replaceChildren();
    const vectors = lines.map((line) => line.split(/[\s,;]+/).filter(Boolean).map(Number));
    if (!vectors.flat().every(Number.isFinite)) throw new Error("a value is no number");
    const body = { model: model.value, input: [vectors], n_best: Number(count.value), attention: vectors.length > 1 };
    const { results } = await ask("/v1/describe", body, signal);
    answer.replaceChildren(...results.map(translated));
  }

  size();
  return element("div", {}, text,
    element("div", { className: "row" }, model.place, element("label", {}, "answers ", count), sized), error, answer);
}
