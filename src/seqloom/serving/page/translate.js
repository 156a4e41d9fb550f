// A translation with its alignment, and the n-best list.

import { afterChanges, ask, element, errorPlace, modelChoice, shade } from "./dom.js";

export function translatePanel(models) {
  const error = errorPlace(), answer = element("div", { "aria-live": "polite" });
  const text = element("textarea", { value: "", placeholder: "Write a source text …", "aria-label": "source" });
  const count = element("input", { type: "number", min: 1, max: 16, value: 5 });
  const changed = afterChanges(error, update, 300);
  const model = modelChoice(models, changed);
  for (const input of [text, count]) input.addEventListener("input", changed);

  async function update(signal) {
    if (!text.value.trim()) return answer.replaceChildren();
    const lines = text.value.split("\n").filter((line) => line.trim());
    const body = { model: model.value, input: lines, n_best: Number(count.value), attention: true };
    const { results } = await ask("/v1/translate", body, signal);
    answer.replaceChildren(...results.map(translated));
  }

  return element("div", {}, text, element("div", { className: "row" }, model.place, element("label", {}, "answers ", count)), error, answer);
}

export function translated(answers) {
  const [best] = answers;
  const place = element("section", { className: "card", style: { marginBottom: "1rem" } });
  if (best.alignment) place.append(aligned(best.alignment), element("p", { className: "soft" }, "Point at a word, or move to it with Tab, to see what the model attended to."));
  else if (best.text) place.append(element("p", { className: "soft" }, "This model gives no alignment."));
  place.append(element("p", { className: "answer" }, best.text || "(an empty answer)"));
  if (answers.length > 1) {
    place.append(element("ol", {}, ...answers.map((item) =>
      element("li", {}, item.text, element("span", { className: "soft" }, ` ${item.score?.toFixed(3) ?? ""}`)))));
  }
  return place;
}

function aligned({ source, target, weights }) {
  const tokens = (names) => names.map((name) => element("span", { className: "token", tabIndex: 0 }, name));
  const above = tokens(source), below = tokens(target);
  const light = (row) => above.forEach((token, place) => { token.style.background = row ? shade(row[place]) : ""; });
  const lightBack = (place) => below.forEach((token, number) => { token.style.background = place === null ? "" : shade(weights[number][place]); });
  below.forEach((token, number) => {
    for (const name of ["mouseenter", "focus"]) token.addEventListener(name, () => light(weights[number]));
    for (const name of ["mouseleave", "blur"]) token.addEventListener(name, () => light(null));
  });
  above.forEach((token, place) => {
    for (const name of ["mouseenter", "focus"]) token.addEventListener(name, () => lightBack(place));
    for (const name of ["mouseleave", "blur"]) token.addEventListener(name, () => lightBack(null));
  });
  const line = (made) => element("p", { className: "text" }, ...made.flatMap((token) => [token, " "]));
  return element("div", { className: "align" }, line(above), line(below));
}
