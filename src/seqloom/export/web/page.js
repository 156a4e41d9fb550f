// Opens the model when the page opens, and answers when asked.

const facts = JSON.parse(document.getElementById("facts").textContent);

const page = {
  facts,
  json: (name) => JSON.parse(document.getElementById(`file-${name}`).textContent),
  engine: null,
};

async function open() {
  const script = await unpacked("ort-script");
  const ort = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await unpacked("ort-wasm")).buffer;
  const weights = await unpacked("weights");
  page.engine = (name) => Engine.open(ort, name, facts.graphs[name], weights);
  const model = new PAGES[facts.kind]();
  await model.open(page);
  return model;
}

const input = document.getElementById("input"), output = document.getElementById("output");
const button = document.getElementById("ask"), note = document.getElementById("note");

const opened = open();
opened.then(
  () => {
    button.disabled = false;
    note.textContent = "Ready. Nothing leaves this page.";
  },
  (error) => {
    note.textContent = `The model could not be opened: ${error.message}`;
  },
);

// What each answer consists of; those with a tab in every line are shown as a table.
const UNITS = { classifier: null, tagger: "word" };
const isTable = facts.kind in UNITS;

function show(answer) {
  if (!isTable) return void (output.textContent = answer);
  const table = document.createElement("table");
  for (const line of answer ? answer.split("\n") : []) {
    const row = table.insertRow();
    for (const cell of line.split("\t")) row.insertCell().textContent = cell;
  }
  output.replaceChildren(table);
}

// What tests call too.
window.answer = async (text, options) => (await opened).answer(text, show, options);

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  const temperature = document.getElementById("temperature");
  try {
    const started = performance.now();
    const answer = await window.answer(input.value, temperature ? { temperature: Number(temperature.value) } : {});
    const seconds = (performance.now() - started) / 1000;
    const unit = isTable ? UNITS[facts.kind] : "token", count = answer.ids.length;
    note.textContent = `${unit ? `${count} ${unit}${count === 1 ? "" : "s"}` : "Answered"} in ${seconds.toFixed(2)} s.`;
  } catch (error) {
    note.textContent = `This could not be answered: ${error.message}`;
  } finally {
    button.disabled = false;
  }
});
