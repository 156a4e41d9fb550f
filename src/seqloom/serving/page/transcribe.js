// A recording, uploaded or made here, and what is said in it.

import { element, errorPlace, modelChoice, send, shade } from "./dom.js";

const RATE = 16000;

export function transcribePanel(models) {
  const error = errorPlace(), answer = element("div", { "aria-live": "polite" }), player = element("div");
  const file = element("input", { type: "file", accept: "audio/*", "aria-label": "recording", onchange: () => file.files[0] && listen(file.files[0]) });
  const button = element("button", { className: "main", onclick: () => record().catch(tell) }, "Record");
  const model = modelChoice(models, () => file.files[0] && listen(file.files[0]));
  const tell = (problem) => { error.textContent = problem.message; };
  let recorder;

  async function listen(recording) {
    player.replaceChildren(element("audio", { controls: true, src: URL.createObjectURL(recording) }));
    const response = await send(`/v1/transcribe?model=${encodeURIComponent(model.value)}`, {
      method: "POST", headers: { "content-type": "audio/wav" }, body: recording });
    const result = await response.json();
    error.textContent = response.ok ? "" : result.error.message;
    answer.replaceChildren(...(response.ok ? [heard(result.results[0])] : []));
  }

  async function record() {
    if (recorder) return recorder.stop();
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = async () => {
      stream.getTracks().forEach((track) => track.stop());
      recorder = null;
      button.textContent = "Record";
      try {
        await listen(await wave(new Blob(parts)));
      } catch (problem) {
        tell(problem);
      }
    };
    recorder.start();
    button.textContent = "Stop and transcribe";
  }

  return element("div", {}, element("div", { className: "row" }, button, file, model.place), error, player, answer);
}

function heard({ text, confidence, words }) {
  const shown = words.flatMap((word) => [element("span", {
    className: "token", title: `${word.start.toFixed(2)} to ${word.end.toFixed(2)} s, confidence ${word.confidence.toFixed(2)}`,
    style: { background: shade(1 - word.confidence, "--c1") } }, word.text), " "]);
  return element("div", {}, element("p", { className: "answer" }, ...(shown.length ? shown : [text || "(nothing is said)"])),
    element("p", { className: "soft" }, `confidence ${confidence.toFixed(2)}; words that are less certain are darker`));
}

// What the browser recorded, in whatever format, as a WAV file of one channel.
async function wave(recording) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const sound = await context.decodeAudioData(await recording.arrayBuffer());
  const samples = sound.getChannelData(0), view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (place, text) => [...text].forEach((letter, number) => view.setUint8(place + number, letter.charCodeAt(0)));
  write(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); write(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  write(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, number) => view.setInt16(44 + 2 * number, 32767 * Math.max(-1, Math.min(1, sample)), true));
  return new Blob([view.buffer], { type: "audio/wav" });
}
