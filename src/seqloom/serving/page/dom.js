// Elements, requests to the server, and what all panels share. No markup is ever made from text of the server.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(made.style, value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function headers() {
  const key = sessionStorage.getItem("key");
  return key ? { authorization: `Bearer ${key}` } : {};
}

// A request; asks for the key once where the server wants one.
export async function send(path, options = {}) {
  const all = { ...options, headers: { ...options.headers, ...headers() } };
  const response = await fetch(path, all);
  if (response.status !== 401) return response;
  const key = window.prompt("This server asks for a key:");
  if (!key) return response;
  sessionStorage.setItem("key", key);
  return fetch(path, { ...options, headers: { ...options.headers, ...headers() } });
}

export async function post(path, body, signal) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
  const response = await send(path, options);
  if (response.ok) return response;
  throw new Error(await message(response));
}

export async function ask(path, body, signal) {
  return (await post(path, body, signal)).json();
}

async function message(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

// Yields the events of a stream.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const parts = buffer.split("\n\n");
    buffer = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

// Calls `work(signal)` a moment after the last change; a change stops the work before. Errors are shown in `place`.
export function afterChanges(place, work, wait = 180) {
  let timer, controller;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      controller?.abort();
      controller = new AbortController();
      const { signal } = controller;
      try {
        await work(signal);
        place.textContent = "";
      } catch (error) {
        if (!signal.aborted) place.textContent = error.message;
      }
    }, wait);
  };
}

export function errorPlace() {
  return element("div", { className: "error", role: "alert" });
}

// A choice among models, where there are several.
export function modelChoice(models, onchange) {
  const select = element("select", { "aria-label": "model" }, ...models.map((m) => element("option", { value: m.id }, m.id)));
  const facts = about(models[0]);
  select.addEventListener("change", () => {
    showFacts(facts, models.find((model) => model.id === select.value));
    onchange();
  });
  const place = element("span", { className: "choice" }, ...(models.length > 1 ? [element("label", {}, "model ", select)] : []), facts);
  return { place, get value() { return select.value; } };
}

// A line of facts about a model; `showFacts` writes it anew where the model has been saved anew.
export function about(model) {
  const place = element("span", { className: "soft about" });
  showFacts(place, model);
  return place;
}

export function showFacts(place, model) {
  place.dataset.model = model.id;
  place.textContent = facts(model);
}

function facts(model) {
  const { parameters, score } = model.facts;
  const parts = [model.network];
  if (parameters) parts.push(`${parameters.toLocaleString("en")} parameters`);
  if (score) for (const [name, value] of Object.entries(score)) if (name !== "on") parts.push(`${name.replaceAll("_", " ")} ${Number(value).toPrecision(4)} (${score.on})`);
  if (model.created) {
    const after = model.updates ? ` after ${model.updates.toLocaleString("en")} update${model.updates > 1 ? "s" : ""}` : "";
    parts.push(`saved ${saved(new Date(1000 * model.created))}${after}`);
  }
  return parts.filter(Boolean).join(" · ");
}

function saved(time) {
  const today = time.toDateString() === new Date().toDateString();
  return time.toLocaleString("en-GB", today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
}

export function percent(share) {
  return share >= 0.0995 ? `${(100 * share).toFixed(0)} %` : share >= 0.001 ? `${(100 * share).toFixed(1)} %` : "< 0.1 %";
}

// `items`: names with a share from 0 to 1, and the `value` that is shown, if that is no percentage.
export function bars(items, onpick) {
  const place = element("div", { className: "bars" });
  for (const { name, share, value = percent(share) } of items) {
    const shown = name.replaceAll("\n", "↵");
    const label = onpick
      ? element("button", { className: "name", title: "write this", onclick: () => onpick(name) }, shown.trim() ? shown : "␣")
      : element("span", { className: "name" }, shown);
    const bar = element("div", { className: "bar" }, element("i", { style: { width: `${100 * share}%` } }));
    place.append(label, bar, element("span", { className: "value" }, value));
  }
  return place;
}

// A background for a share from 0 to 1 of a colour of the theme.
export function shade(share, colour = "--c0") {
  return `color-mix(in srgb, var(${colour}) ${Math.round(60 * Math.min(Math.max(share, 0), 1))}%, transparent)`;
}
