// A small line chart: lines over one axis, with ticks at round numbers, and values on pointing.

import { drawing, element } from "./dom.js";

const WIDTH = 460, HEIGHT = 200, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 26;

// `lines`: [{ name, points: [[x, y], ...], colour }]; `mark`: the x of a vertical line, with a `markName`.
export function curve(title, lines, { xName, mark = null, markName = "" }) {
  const points = lines.flatMap((line) => line.points);
  const [left, right] = range(points.map(([x]) => x)), [low, high] = range(points.map(([, y]) => y), 0.06);
  const x = (value) => LEFT + ((WIDTH - LEFT - RIGHT) * (value - left)) / (right - left);
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * (value - low)) / (high - low);
  const svg = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title} by ${xName}; the table below has the numbers` });
  const rules = ticks(low, high, 4), marks = ticks(left, right, 5);
  for (const tick of rules) {
    svg.append(drawing("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick), class: "rule" }),
      drawing("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end", class: "soft" }, label(tick, rules)));
  }
  for (const tick of marks) {
    svg.append(drawing("text", { x: x(tick), y: HEIGHT - 8, "text-anchor": "middle", class: "soft" }, label(tick, marks)));
  }
  if (mark !== null && mark >= left && mark <= right) {
    svg.append(drawing("line", { x1: x(mark), x2: x(mark), y1: TOP, y2: HEIGHT - BOTTOM, class: "mark" }, drawing("title", {}, markName)));
  }
  for (const { points: of_line, colour } of lines) {
    const path = of_line.map(([px, py], number) => `${number ? "L" : "M"}${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join("");
    svg.append(drawing("path", { d: path, fill: "none", stroke: `var(${colour})`, "stroke-width": 2 }));
    if (of_line.length < 60) {
      svg.append(...of_line.map(([px, py]) => drawing("circle", { cx: x(px), cy: y(py), r: of_line.length < 25 ? 3 : 2, fill: `var(${colour})` },
        drawing("title", {}, `${short(py)} at ${short(px)} ${xName}`))));
    }
  }
  const names = lines.map(({ name, colour, points: of_line }) => element("span", { className: "series" },
    element("i", { style: { background: `var(${colour})` } }), `${name} `, element("b", {}, short(of_line.at(-1)[1]))));
  return element("figure", {}, element("figcaption", {}, ...names), svg);
}

function range(values, room = 0) {
  const low = Math.min(...values), high = Math.max(...values), span = high - low || Math.abs(high) || 1;
  return low === high ? [low - span / 2, high + span / 2] : [low - room * span, high + room * span];
}

// Round numbers between two values.
export function ticks(low, high, count) {
  const rough = (high - low) / count, size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find((factor) => factor * size >= rough);
  const made = [];
  for (let place = Math.ceil(low / step); place * step <= high + step * 1e-9; place++) made.push(Number((place * step).toPrecision(12)));
  return made;
}

// With as many decimals as tell the ticks apart.
function label(tick, all) {
  const step = all.length > 1 ? all[1] - all[0] : 0;
  return step > 0 && step < 1 && Math.abs(tick) < 1e4 ? tick.toFixed(Math.min(Math.ceil(-Math.log10(step) - 1e-9), 6)) : short(tick);
}

export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(size >= 1000 ? 4 : 3)));
}
