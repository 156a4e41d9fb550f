// The page: a tab for each thing that the models of this server can do.

import { element, send, showFacts } from "./dom.js";
import { classifyPanel } from "./classify.js";
import { describePanel } from "./describe.js";
import { forecastPanel } from "./forecast.js";
import { languageModelPanel } from "./language_model.js";
import { memoryPanel } from "./memory.js";
import { tagPanel } from "./tag.js";
import { trainingPanel } from "./training.js";
import { transcribePanel } from "./transcribe.js";
import { translatePanel } from "./translate.js";
import { vectorsPanel } from "./vectors.js";

const PANELS = [
  { name: "Write", ability: "completions", make: languageModelPanel },
  { name: "Translate", ability: "translate", make: translatePanel },
  { name: "Describe", ability: "describe", make: describePanel },
  { name: "Classify", ability: "classify", make: classifyPanel },
  { name: "Tag", ability: "tag", make: tagPanel },
  { name: "Forecast", ability: "forecast", make: forecastPanel },
  { name: "Listen", ability: "transcribe", make: transcribePanel },
  { name: "Words", ability: "nearest", make: vectorsPanel },
  { name: "Memory", ability: "memory", make: memoryPanel },
];

const LOOKS_MILLISECONDS = 3000;

const nav = document.getElementById("panels"), place = document.getElementById("panel");

async function dataOf(path) {
  const response = await send(path);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return (await response.json()).data;
}

async function main() {
  let models = await dataOf("/v1/models");
  const trainings = await dataOf("/v1/trainings");
  makeTabs(models, trainings);
  const panels = nav.childNodes;
  if (panels.length) ([...panels].find((tab) => hashOf(tab.textContent) === location.hash) ?? panels[0]).click();
  else place.replaceChildren(element("p", {}, "The models of this server have no panel. Programs can ask them: see API below."));
  showReports(models);
  setInterval(async () => {
    if (document.hidden) return;
    const now = await dataOf("/v1/models").catch(() => models);
    if (JSON.stringify(now) === JSON.stringify(models)) return;
    const before = models;
    models = now.map((model) => Object.assign(named(before, model.id) ?? {}, model)); // the objects that panels hold
    if (models.length !== before.length) makeTabs(models, trainings);
    for (const line of document.querySelectorAll(".about")) showFacts(line, named(models, line.dataset.model));
    showReports(models);
  }, LOOKS_MILLISECONDS);
}

function named(models, id) {
  return models.find((model) => model.id === id);
}

function hashOf(name) {
  return `#${name.toLowerCase()}`;
}

// The tabs of what the models can do. The panel that is open stays.
function makeTabs(models, trainings) {
  const able = PANELS.map((panel) => ({ ...panel, models: models.filter((m) => m.abilities.includes(panel.ability)) }))
    .filter((panel) => panel.models.length);
  if (trainings.length) able.push({ name: "Training", make: () => trainingPanel(trainings) });
  const open = nav.querySelector("[aria-selected=true]")?.textContent;
  const tabs = able.map((panel) => element("button", { role: "tab", "aria-selected": panel.name === open, onclick: () => show(panel) }, panel.name));
  nav.replaceChildren(...tabs);
  nav.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length].focus();
  };
  function show(panel) {
    tabs.forEach((tab, number) => tab.setAttribute("aria-selected", able[number] === panel));
    document.title = "Seqloom";
    place.replaceChildren(panel.make(panel.models));
    history.replaceState(null, "", hashOf(panel.name));
  }
}

function showReports(models) {
  const reports = models.flatMap((model) => model.reports.map((file) => [model.id, file]));
  document.getElementById("reports").replaceChildren(
    ...reports.flatMap(([id, file]) => [" · ", element("a", { href: `/reports/${encodeURIComponent(id)}/${encodeURIComponent(file)}` }, `${id}: ${file}`)]));
}

main().catch((error) => {
  document.getElementById("panel").replaceChildren(element("div", { className: "error", role: "alert" }, error.message));
});
