// A training that runs or has ended: curves, speed, time left, and what its best weights give for some examples.

import { curve, short } from "./curve.js";
import { element, errorPlace, send } from "./dom.js";
import { chart } from "./forecast.js";
import { pictures } from "./memory.js";

const EVERY = 1000, AT_MOST = 15000;
const AXES = { minutes: (row) => row.seconds / 60, updates: (row) => row.updates, epochs: (row) => row.epoch };
const STATUS = { preparing: "reads its data", training: "trains", evaluating: "evaluates its best weights", interrupted: "was interrupted", finished: "has finished" };

export function trainingPanel(names) {
  const error = errorPlace(), head = element("div"), curves = element("div", { className: "columns curves" });
  const outputs = element("div"), table = element("div", { className: "wide" });
  const choice = element("select", { "aria-label": "training", onchange: () => restart() }, ...names.map((name) => element("option", { value: name }, name)));
  const axis = element("select", { "aria-label": "horizontal axis", onchange: () => state && draw() }, ...Object.keys(AXES).map((name) => element("option", {}, name)));
  const place = element("div", {}, element("div", { className: "row" },
    ...(names.length > 1 ? [element("label", {}, "training ", choice)] : []), element("label", {}, "curves by ", axis)), error, head, curves, outputs, table);
  let state, tag = "", weights = null, timer, wait = EVERY, turn = 0;

  const tell = (problem) => { error.textContent = problem.message; };

  function restart() {
    [state, tag, weights] = [undefined, "", null];
    for (const part of [head, curves, outputs, table]) part.replaceChildren();
    clearTimeout(timer);
    follow();
  }

  async function follow() {
    const name = choice.value, mine = ++turn;
    try {
      await look(name);
      wait = EVERY;
      error.textContent = "";
    } catch (problem) {
      error.textContent = problem instanceof TypeError ? "The server does not answer; trying again …" : problem.message;
      wait = Math.min(2 * wait, AT_MOST);
    }
    if (mine === turn && (place.isConnected || !tag)) timer = setTimeout(follow, document.hidden ? 5 * wait : wait);
  }

  async function look(name) {
    const path = `/v1/trainings/${encodeURIComponent(name)}`;
    const response = await send(path, { headers: tag ? { "if-none-match": tag } : {}, cache: "no-store" });
    if (name !== choice.value || response.status === 304) return;
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    [state, tag] = [answer, response.headers.get("etag")];
    draw();
    if (state.weights && state.weights !== weights) {
      weights = state.weights;
      show(path, name, state.task).catch(tell);
    }
  }

  async function show(path, name, task) {
    const response = await send(`${path}/outputs`), answer = await response.json();
    if (name !== choice.value) return;
    if (response.status >= 503) return setTimeout(() => place.isConnected && show(path, name, task).catch(tell), AT_MOST); // it is busy
    outputs.replaceChildren(...(response.ok ? examples(answer.data, task) : [element("p", { className: "soft" }, `No examples: ${answer.error.message}.`)]));
  }

  function draw() {
    head.replaceChildren(summary(state));
    curves.replaceChildren(...charts(state, axis.value));
    table.replaceChildren(...(state.rows.length ? [rows(state)] : []));
    const { fraction } = state.live ?? {};
    document.title = state.status === "training" && fraction !== undefined ? `${Math.floor(100 * fraction)} % · ${state.name}` : `${state.name} ${STATUS[state.status]}`;
  }

  follow();
  return place;
}

function summary(state) {
  const last = state.rows.at(-1), now = state.live ?? last, fraction = state.status === "finished" ? 1 : (state.live?.fraction ?? reached(state));
  const facts = [];
  const add = (name, value) => facts.push(element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  if (state.status === "training" && state.live?.seconds_left) add("left", clock(state.live.seconds_left));
  if (now) add("trained for", clock(now.seconds));
  if (now?.updates) add("updates", now.updates.toLocaleString("en"));
  if (now) add("speed", `${short(now.targets_per_second)} targets/s`);
  if (Number.isFinite(now?.train_loss)) add("train loss", short(now.train_loss));
  const best = state.rows.filter((row) => row.updates === state.best_updates).at(-1), score = `valid_${state.score}`;
  if (state.score && Number.isFinite(best?.[score])) add(`best ${spoken(state.score)}`, short(best[score]));
  if (state.ended?.test && Number.isFinite(state.ended.test[state.score])) add(`test ${spoken(state.score)}`, short(state.ended.test[state.score]));
  if (state.ended) add("parameters", state.ended.parameters.toLocaleString("en"));
  const [unit, amount] = Object.entries(state.budget)[0] ?? [];
  const about = [state.task, state.network, amount ? `${short(amount)} ${unit}` : "", state.seed === null ? "" : `seed ${state.seed}`].filter(Boolean).join(" · ");
  return element("section", { className: "card" },
    element("h3", {}, state.name, " ", element("span", { className: `status ${state.status}` }, STATUS[state.status])),
    element("p", { className: "soft" }, about),
    ...(fraction === null ? [] : [element("div", { className: "bar progress", role: "progressbar", "aria-valuenow": Math.round(100 * fraction), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "share of the budget" }, element("i", { style: { width: `${100 * fraction}%` } }))]),
    element("dl", {}, ...facts),
    ...(state.status === "interrupted" ? [element("p", { className: "soft" }, "To continue it, give the same command again with --resume.")] : []));
}

// The share of the budget that an interrupted training had reached at its last validation.
function reached({ rows, budget }) {
  const last = rows.at(-1);
  if (!last) return null;
  const [name, amount] = Object.entries(budget)[0] ?? [];
  const done = { minutes: last.seconds / 60, epochs: last.epoch, updates: last.updates }[name];
  return done === undefined ? null : Math.min(done / amount, 1);
}

// The losses in nats together, and every other metric that changes by itself.
function charts(state, axis) {
  if (state.rows.length + (state.live ? 1 : 0) < 2) return [];  // one point is no curve
  const { rows } = state, at = AXES[axis], names = metrics(rows, state.score);
  const live = state.live && axis !== "epochs" && Number.isFinite(state.live.train_loss) && state.live.updates > (rows.at(-1)?.updates ?? 0) ? [state.live] : [];
  const points = (name) => rows.filter((row) => Number.isFinite(row[name])).map((row) => [at(row), row[name]]);
  const train = [...points("train_loss"), ...live.map((row) => [at(row), row.train_loss])];
  const best = rows.filter((row) => row.updates === state.best_updates).at(-1);
  const options = { xName: axis, mark: best && rows.length > 1 ? at(best) : null, markName: "the best weights" };
  const losses = names.filter((name) => /^valid_nats_per_/.test(name)), others = names.filter((name) => !losses.includes(name));
  const together = [{ name: "train loss", points: train, colour: "--c1" }, ...losses.map((name) => ({ name: losses.length > 1 ? spoken(name) : "validation loss", points: points(name), colour: "--c0" }))].filter((line) => line.points.length);
  const figures = others.map((name) => curve(spoken(name), [{ name: spoken(name), points: points(name), colour: "--c0" }], options));
  if (together.length) figures.splice(others[0] === `valid_${state.score}` ? 1 : 0, 0, curve("loss in nats", together, options));
  if (rows.length > 1) figures.push(curve("speed", [{ name: "targets per second", points: points("targets_per_second"), colour: "--c2" }], options));
  return figures;
}

// The names of the metrics of validation, the score first, without counts of the data, which stay the same.
function metrics(rows, score) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name.startsWith("valid_"));
  const counts = (name) => rows.every((row) => Number.isInteger(row[name]) && row[name] === rows[0][name]);
  const first = `valid_${score}`;
  return names.filter((name) => (name === first || !counts(name)) && rows.some((row) => Number.isFinite(row[name]))).sort((a, b) => (b === first) - (a === first));
}

function rows({ rows: all, score }) {
  const names = ["updates", "epoch", "seconds", "train_loss", ...metrics(all, score)];
  const cell = (value) => element("td", {}, Number.isFinite(value) ? short(value) : "");
  const body = all.toReversed().map((row) => element("tr", {}, ...names.map((name) => cell(row[name]))));
  return element("details", { open: all.length === 1 }, element("summary", { className: "soft" }, "numbers"),
    element("table", {}, element("tr", {}, ...names.map((name) => element("th", {}, spoken(name)))), ...body));
}

function examples(outputs, task) {
  const [newest] = outputs;
  if (!newest?.items.length) return [];
  const after = newest.updates ? `, of the best weights, after ${newest.updates.toLocaleString("en")} update${newest.updates === 1 ? "" : "s"}` : "";
  return [element("h2", {}, "What it gives now ", element("span", { className: "soft" }, `${newest.held_out ? "for validation data" : "for its data"}${after}`)),
    element("div", { className: "columns" }, ...newest.items.map((item, number) => example(outputs, item, number, task)))];
}

function example(outputs, item, number, task) {
  const { kind } = outputs[0];
  if (kind === "forecast") return element("section", { className: "whole" }, chart(item.values, item.steps));
  if (kind === "memory") return element("section", { className: "wide whole" }, ...pictures(item));
  const card = element("section", { className: "card" });
  const earlier = outputs.slice(1).filter((output) => output.items[number] && output.items[number].answer !== item.answer);
  if (kind === "text") card.append(element("p", { className: "text" }, item.input, element("span", { className: "written" }, item.answer)));
  else if (task === "tag") card.append(tagged(item));
  else {
    card.append(element("p", { className: "soft" }, item.input), element("p", { className: "answer" }, item.answer || "(an empty answer)"));
    if (item.expected) card.append(element("p", { className: "soft" }, "expected: ", item.expected));
  }
  if (earlier.length && task !== "tag") card.append(element("details", {}, element("summary", { className: "soft" }, "earlier"),
    element("ol", { className: "soft" }, ...earlier.map((output) => element("li", {}, `${output.updates ?? 0}: ${output.items[number].answer}`)))));
  return card;
}

// The words with their tags; beside a wrong one stands what is expected.
function tagged({ answer, expected }) {
  const parts = (text) => text.split(" ").map((part) => [part.slice(0, part.lastIndexOf("/")), part.slice(part.lastIndexOf("/") + 1)]);
  const right = parts(expected);
  return element("p", {}, ...parts(answer).map(([word, tag], number) => element("span", { className: "tagged" }, word,
    tag === right[number][1] ? element("small", {}, tag) : element("small", {}, element("del", {}, tag), ` ${right[number][1]}`))));
}

function spoken(name) {
  return name.replace(/^valid_/, "").replaceAll("_", " ");
}

function clock(seconds) {
  const whole = Math.round(seconds), pad = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}
