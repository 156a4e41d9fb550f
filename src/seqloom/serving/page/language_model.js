// Language models side by side: what comes next, how surprising each token is, and text written on.

import { about, afterChanges, ask, bars, element, errorPlace, events, post, shade } from "./dom.js";

const START = "Call me";

export function languageModelPanel(models) {
  const error = errorPlace();
  const text = element("textarea", { value: START, "aria-label": "text", spellcheck: false });
  const temperature = element("input", { type: "number", min: 0, max: 2, step: 0.1, value: 0.7 });
  const tokens = element("input", { type: "number", min: 1, max: 500, step: 1, value: 60 });
  const columns = models.map((model) => column(model, text, temperature, tokens, error, () => changed()));
  const changed = afterChanges(error, (signal) => Promise.all(columns.map((one) => one.update(signal))));
  text.addEventListener("input", changed);
  changed();
  return element("div", {},
    text,
    element("div", { className: "row" },
      element("label", {}, "temperature ", temperature), element("label", {}, "tokens ", tokens)),
    error,
    element("div", { className: "columns" }, ...columns.map((one) => one.place)),
    element("div", { className: "key" }, "expected", element("i", { style: { background: `linear-gradient(90deg, transparent, ${shade(1, "--c1")})` } }), "surprising (10 bits and more)"));
}

function column(model, text, temperature, tokens, error, changed) {
  const next = element("div"), scored = element("div", { className: "text", "aria-label": "surprise of each token" });
  const sum = element("p", { className: "soft" });
  const button = element("button", { className: "main", onclick: write }, "Write on");
  let writing;

  async function update(signal) {
    writing?.abort();
    const asked = { model: model.id, input: text.value };
    const [candidates, scores] = await Promise.all([ask("/v1/next", { ...asked, top: 8 }, signal), ask("/v1/score", asked, signal)]);
    next.replaceChildren(bars(candidates.results[0].map((c) => ({ name: c.text, share: c.probability })), (name) => {
      text.value += name.startsWith("<") && name.endsWith(">") ? "" : glued(text.value, name);
      text.focus();
      changed();
    }));
    const { tokens: of_text } = scores.results[0];
    scored.replaceChildren(...of_text.slice(0, -1).map((token) => shown(token.token, token.log_prob)));
    const bits = -of_text.reduce((total, token) => total + token.log_prob, 0) / Math.LN2;
    sum.textContent = of_text.length > 1 ? `${of_text.length - 1} tokens, ${(bits / of_text.length).toFixed(2)} bits per token` : "";
  }

  async function write() {
    if (writing && !writing.signal.aborted) return writing.abort();
    writing = new AbortController();
    button.textContent = "Stop";
    const body = { model: model.id, prompt: text.value, stream: true, temperature: Number(temperature.value),
      max_tokens: Number(tokens.value), logprobs: 0 };
    try {
      scored.replaceChildren(text.value);
      sum.textContent = "";
      for await (const event of events(await post("/v1/completions", body, writing.signal))) {
        const choice = event.choices[0];
        if (!choice) continue;
        const token = shown(choice.text, choice.logprobs?.token_logprobs?.[0] ?? 0);
        token.classList.add("written");
        scored.append(token);
      }
      error.textContent = "";
    } catch (problem) {
      if (!writing.signal.aborted) error.textContent = problem.message;
    } finally {
      writing.abort();
      button.textContent = "Write on";
    }
  }

  const place = element("section", { className: "card" },
    element("h3", {}, model.id), element("p", {}, about(model)), next, button, scored, sum);
  return { place, update };
}

function shown(text, logProb) {
  const bits = -logProb / Math.LN2;
  return element("span", { className: "token", title: `${bits.toFixed(1)} bits`, style: { background: shade(bits / 10, "--c1") } }, text);
}

// Tokens of words bring their own space only where the text before is known to the model.
function glued(before, token) {
  return before === "" || /\s$/.test(before) ? token.trimStart() : token;
}
