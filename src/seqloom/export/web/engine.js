// One exported graph, and the state that is fed back from call to call.

async function unpacked(id) {
  const text = document.getElementById(id).textContent.trim();
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, bool: Uint8Array };

const integers = (rows) => BigInt64Array.from(rows.flat().map(BigInt));

class Engine {
  static async open(ort, name, description, weights) {
    const options = {
      executionProviders: ["wasm"],
      externalData: [{ path: "weights.bin", data: weights }],
      logSeverityLevel: 3,
    };
    const session = await ort.InferenceSession.create(await unpacked(`graph-${name}`), options);
    return new Engine(ort, session, description);
  }

  constructor(ort, session, description) {
    this.ort = ort;
    this.session = session;
    this.description = description;
    this.stateOf = new Map(description.state.map((part) => [part.output, part.name]));
  }

  tensor(name, data, dims) {
    const input = this.description.inputs.find((entry) => entry.name === name);
    return new this.ort.Tensor(input.dtype, data, dims);
  }

  // Of one row, before its first element.
  firstState() {
    const state = {};
    for (const part of this.description.state) {
      if (!part.start) return {};
      const bytes = Uint8Array.from(atob(part.start.data), (character) => character.charCodeAt(0));
      const data = new ARRAYS[part.dtype](bytes.buffer);
      state[part.name] = new this.ort.Tensor(part.dtype, data, part.start.shape);
    }
    return state;
  }

  async run(feeds) {
    const given = {};
    for (const { name } of this.description.inputs) given[name] = feeds[name];
    const values = await this.session.run(given);
    const outputs = {}, state = {};
    for (const [name, value] of Object.entries(values)) {
      if (this.stateOf.has(name)) state[this.stateOf.get(name)] = value;
      else outputs[name] = value;
    }
    return [outputs, state];
  }
}

// The place of the largest number among those that are allowed, from `start` on.
function largest(data, start, size, never) {
  let best = -1;
  for (let i = 0; i < size; i++) {
    if (!never.has(i) && (best < 0 || data[start + i] > data[start + best])) best = i;
  }
  return best;
}
