// A Neural Turing Machine at work: what went in and came out, and where each head looked, step by step.

import { afterChanges, ask, element, errorPlace, modelChoice } from "./dom.js";

const CELL = 10, FAINT = 0.05;

export function memoryPanel(models) {
  const error = errorPlace(), shown = element("div", { className: "wide" });
  const seed = element("input", { type: "number", min: 0, value: 1 });
  const changed = afterChanges(error, update, 150);
  const model = modelChoice(models, changed);
  seed.addEventListener("input", changed);

  async function update(signal) {
    const trace = await ask("/v1/memory", { model: model.value, seed: Number(seed.value) }, signal);
    shown.replaceChildren(...pictures(trace));
  }

  changed();
  return element("div", {}, element("div", { className: "row" }, model.place, element("label", {}, "sequence ", seed)),
    element("p", { className: "soft" }, "Time goes from left to right; of a memory, a row is a location that the head looked at."), error, shown);
}

// What went in and out, and the weights of each head, as pictures with their names.
export function pictures(trace) {
  const heads = trace.heads.map((locations, head) => {
    const reads = head < trace.read_heads, { rows, name } = looked(locations);
    const title = `${reads ? "read" : "write"} weights, head ${head + 1 - (reads ? 0 : trace.read_heads)} (${name})`;
    return [title, rows, reads ? "--c0" : "--c1"];
  });
  const bands = trace.bands.map((band) => [band.name, band.values, "--ink"]);
  return [...bands, ...heads].flatMap(([name, rows, colour]) =>
    [element("div", { className: "soft" }, name), ...(rows.length ? [picture(name, rows, colour)] : [])]);
}

// The locations that the head looked at, and how they are called.
function looked(rows) {
  const seen = rows.map((row) => Math.max(...row)).map((most, place) => (most > FAINT ? place : -1)).filter((place) => place >= 0);
  return { rows: seen.map((place) => rows[place]), name: `${seen.length} of ${rows.length} locations` };
}

function picture(name, rows, colour) {
  const canvas = element("canvas", { width: rows[0].length * CELL, height: rows.length * CELL, role: "img", "aria-label": name });
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  pen.fillStyle = style.getPropertyValue("--tint");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = style.getPropertyValue(colour);
  rows.forEach((row, y) => row.forEach((value, x) => {
    pen.globalAlpha = Math.min(Math.max(value, 0), 1);
    pen.fillRect(x * CELL, y * CELL, CELL - 1, CELL - 1);
  }));
  return canvas;
}
