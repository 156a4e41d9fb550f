// The page: a tab for each thing that the models of this server can do.

import { element, send } from "./dom.js";
import { classifyPanel } from "./classify.js";
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
  { name: "Classify", ability: "classify", make: classifyPanel },
  { name: "Tag", ability: "tag", make: tagPanel },
  { name: "Forecast", ability: "forecast", make: forecastPanel },
  { name: "Listen", ability: "transcribe", make: transcribePanel },
  { name: "Words", ability: "nearest", make: vectorsPanel },
  { name: "Memory", ability: "memory", make: memoryPanel },
];

async function main() {
  const response = await send("/v1/models");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const models = (await response.json()).data, trainings = (await (await send("/v1/trainings")).json()).data;
  const nav = document.getElementById("panels"), place = document.getElementById("panel");
  const able = PANELS.map((panel) => ({ ...panel, models: models.filter((m) => m.abilities.includes(panel.ability)) }))
    .filter((panel) => panel.models.length);
  if (trainings.length) able.push({ name: "Training", make: () => trainingPanel(trainings) });
  if (!able.length) {
    place.replaceChildren(element("p", {}, "The models of this server have no panel. Programs can ask them: see API below."));
  }
  const tabs = able.map((panel) => element("button", { role: "tab", onclick: () => show(panel) }, panel.name));
  nav.append(...tabs);
  nav.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length].focus();
  });
  function show(panel) {
    tabs.forEach((tab, number) => tab.setAttribute("aria-selected", able[number] === panel));
    document.title = "Seqloom";
    place.replaceChildren(panel.make(panel.models));
    history.replaceState(null, "", `#${panel.name.toLowerCase()}`);
  }
  if (able.length) show(able.find((panel) => `#${panel.name.toLowerCase()}` === location.hash) ?? able[0]);
  const reports = models.flatMap((model) => model.reports.map((file) => [model.id, file]));
  document.getElementById("reports").append(
    ...reports.flatMap(([id, file]) => [" · ", element("a", { href: `/reports/${encodeURIComponent(id)}/${encodeURIComponent(file)}` }, `${id}: ${file}`)]));
}

main().catch((error) => {
  document.getElementById("panel").replaceChildren(element("div", { className: "error", role: "alert" }, error.message));
});
