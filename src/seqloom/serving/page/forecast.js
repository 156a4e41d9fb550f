// A series, pasted or drawn, and its forecast with intervals.

import { afterChanges, ask, drawing, element, errorPlace, modelChoice } from "./dom.js";

const WIDTH = window.innerWidth < 600 ? 480 : 900, HEIGHT = 320, EDGE = 44;

export function forecastPanel(models) {
  const error = errorPlace(), plot = element("div"), table = element("table");
  const numbers = element("details", {}, element("summary", { className: "soft" }, "numbers"), table);  // stays open over answers
  const start = Array.from({ length: 48 }, (_, step) => Math.round(100 + step + 20 * Math.sin((step * Math.PI) / 6)));
  const text = element("textarea", { value: start.join(", "), "aria-label": "values" });
  const horizon = element("input", { type: "number", min: 1, max: 500, value: models[0].facts.horizon ?? 12 });
  const changed = afterChanges(error, update, 250);
  const model = modelChoice(models, changed);
  for (const input of [text, horizon]) input.addEventListener("input", changed);

  async function update(signal) {
    const values = text.value.split(/[\s,;]+/).filter(Boolean).map(Number);
    if (values.some((value) => !Number.isFinite(value))) throw new Error("a value is no number");
    const body = { model: model.value, values, horizon: Number(horizon.value) };
    const [steps] = (await ask("/v1/forecast", body, signal)).results;
    plot.replaceChildren(chart(values, steps, (drawn) => { text.value = drawn.map((value) => Number(value.toPrecision(4))).join(", "); changed(); }));
    table.replaceChildren(...rows(steps));
  }

  changed();
  return element("div", {},
    element("p", { className: "soft" }, "Paste values, or draw over the chart."), text,
    element("div", { className: "row" }, model.place, element("label", {}, "steps ahead ", horizon)), error, plot,
    element("div", { className: "wide" }, numbers));
}

function quantile(step, level) {
  const known = Object.entries(step.quantiles).map(([name, value]) => [Number(name), value]).sort((a, b) => a[0] - b[0]);
  return known.reduce((best, item) => (Math.abs(item[0] - level) < Math.abs(best[0] - level) ? item : best))[1];
}

// `ondraw` is given the values that are drawn over the chart; without it, the chart cannot be drawn over.
export function chart(values, steps, ondraw = null) {
  const count = values.length + steps.length;
  const ends = steps.flatMap((step) => [quantile(step, 0.025), quantile(step, 0.975)]);
  const low = Math.min(...values, ...ends), high = Math.max(...values, ...ends), room = (high - low || 1) * 0.08;
  const x = (step) => EDGE + ((WIDTH - EDGE - 10) * step) / Math.max(count - 1, 1);
  const y = (value) => HEIGHT - 24 - ((HEIGHT - 34) * (value - low + room)) / (high - low + 2 * room || 1);
  const line = (points) => points.map(([step, value], number) => `${number ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const ahead = (level) => steps.map((step, number) => [values.length + number, quantile(step, level)]);
  const band = (lower, upper) => line([...ahead(lower), ...ahead(upper).reverse()]) + "Z";
  const last = [[values.length - 1, values.at(-1)]];
  const svg = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "the series and its forecast; the table below has the numbers" });
  for (let tick = 0; tick <= 4; tick++) {
    const value = low + ((high - low) * tick) / 4;
    svg.append(drawing("line", { x1: EDGE, x2: WIDTH - 10, y1: y(value), y2: y(value), class: "rule" }),
      drawing("text", { x: EDGE - 6, y: y(value) + 4, "text-anchor": "end", class: "soft" }, Number(value.toPrecision(3))));
  }
  svg.append(
    drawing("path", { d: band(0.025, 0.975), fill: "var(--c0)", opacity: 0.13 }),
    drawing("path", { d: band(0.1, 0.9), fill: "var(--c0)", opacity: 0.22 }),
    drawing("path", { d: line(values.map((value, step) => [step, value])), fill: "none", stroke: "var(--ink)", "stroke-width": 1.6 }),
    drawing("path", { d: line([...last, ...ahead(0.5)]), fill: "none", stroke: "var(--c0)", "stroke-width": 2.2 }),
    drawing("text", { x: WIDTH - 10, y: HEIGHT - 6, "text-anchor": "end", class: "soft" }, "forecast, with intervals of 80 and 95 %"));
  if (!ondraw) return svg;
  const drawn = [...values];
  let before = null;
  const put = (event) => {
    const box = svg.getBoundingClientRect();
    const step = Math.round((((event.clientX - box.left) / box.width) * WIDTH - EDGE) / ((WIDTH - EDGE - 10) / Math.max(count - 1, 1)));
    const value = low - room + ((HEIGHT - 24 - ((event.clientY - box.top) / box.height) * HEIGHT) / (HEIGHT - 34)) * (high - low + 2 * room || 1);
    if (step < 0 || step >= values.length) return;
    const from = before === null ? step : before;
    for (let place = Math.min(from, step); place <= Math.max(from, step); place++) drawn[place] = value;
    before = step;
  };
  svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); put(event); });
  svg.addEventListener("pointermove", (event) => { if (event.buttons) put(event); });
  svg.addEventListener("pointerup", () => { before = null; ondraw(drawn); });
  return svg;
}

function rows(steps) {
  const cell = (value) => element("td", {}, typeof value === "number" ? value.toPrecision(5) : value);
  const head = element("tr", {}, ...["step", "mean", "10 %", "90 %"].map((name) => element("th", {}, name)));
  const body = steps.map((step, number) => element("tr", {}, ...[String(number + 1), step.mean, quantile(step, 0.1), quantile(step, 0.9)].map(cell)));
  return [head, ...body];
}
