// What each kind of model answers: `await model.answer(text, show)`. `show` is called with the text so far.

const SEARCHED = new Set([PAD, SOS, UNK]);
// Between a word and each of its features.
const FEATURE = "\uFFE8";

class LanguageModelPage {
  async open(page) {
    this.tokenizer = new Tokenizer(page.json("tokenizer.json"));
    this.engine = await page.engine("model");
    this.ofLines = page.facts.mode === "lines";
  }

  promptIds(prompt) {
    const lines = (this.ofLines ? [prompt] : prompt.split("\n")).map((line) => this.tokenizer.encode(line));
    const ids = lines.flatMap((line) => [EOS, ...line]);
    ids[0] = this.ofLines ? SOS : EOS;
    return ids;
  }

  // The ids after the prompt; the most probable token each time where `temperature` is 0.
  async generate(prompt, count, temperature, show) {
    let ids = this.promptIds(prompt), state = this.engine.firstState();
    const written = [], size = this.tokenizer.tokens.length;
    while (written.length < count) {
      const feeds = {
        token_ids: this.engine.tensor("token_ids", integers(ids), [1, ids.length]),
        lengths: this.engine.tensor("lengths", integers([ids.length]), [1]),
        ...state,
      };
      const [outputs, after] = await this.engine.run(feeds);
      const data = outputs.log_probs.data, start = (ids.length - 1) * size;
      const token = temperature ? drawn(data, start, size, temperature) : largest(data, start, size, SEARCHED);
      state = after;
      if (token === EOS && this.ofLines) break;
      written.push(token);
      ids = [token];
      show(this.text(written));
    }
    return written;
  }

  text(ids) {
    const lines = [[]];
    for (const id of ids) id === EOS ? lines.push([]) : lines[lines.length - 1].push(id);
    return lines.map((line) => this.tokenizer.decode(line)).join("\n");
  }

  async answer(prompt, show, { count = 60, temperature = 0 } = {}) {
    const space = this.tokenizer.separatesWords && prompt ? " " : "";
    const ids = await this.generate(prompt, count, temperature, (text) => show(prompt + space + text));
    return { ids, text: prompt + space + this.text(ids) };
  }
}

// A token with its probability: the first to arrive of as many exponential clocks.
function drawn(data, start, size, temperature) {
  let best = -1, largestSoFar = -Infinity;
  for (let i = 0; i < size; i++) {
    if (SEARCHED.has(i)) continue;
    const value = data[start + i] / temperature - Math.log(-Math.log(1 - Math.random()));
    if (value > largestSoFar) [best, largestSoFar] = [i, value];
  }
  return best;
}

class ClassifierPage {
  async open(page) {
    this.facts = page.facts;
    this.target = page.facts.target ?? { kind: "class" };
    this.engine = await page.engine("model");
    this.tokenizer = page.facts.reading.text ? new Tokenizer(page.json("tokenizer.json")) : null;
  }

  async answer(text, show) {
    const source = this.tokenizer ? this.ids(text) : this.frames(text);
    const lengths = this.engine.tensor("lengths", integers([source.dims[1]]), [1]);
    const [outputs] = await this.engine.run({ source, lengths });
    if (this.target.kind === "number") {
      const number = String(Number(outputs.numbers.data[0].toPrecision(6)));
      show(number);
      return { ids: [], text: number };
    }
    const logProbs = [...outputs.log_probs.data];
    const order = logProbs.map((_, i) => i).sort((a, b) => logProbs[b] - logProbs[a]);
    if (this.target.kind === "labels") return this.labelSet(logProbs, order, show);
    const shown = order.slice(0, 5).map((i) => `${this.facts.labels[i]}\t${Math.exp(logProbs[i]).toFixed(4)}`);
    show(shown.join("\n"));
    return { ids: [order[0]], text: this.facts.labels[order[0]] };
  }

  // The labels above their thresholds; the table has the most probable ones, and all that are above.
  labelSet(logProbs, order, show) {
    const probabilities = logProbs.map((value) => Math.fround(Math.exp(value)));
    const holds = (i) => probabilities[i] > Math.fround(this.target.thresholds[i]);
    const ids = order.filter(holds);
    const shown = order.filter((i, rank) => rank < 10 || holds(i));
    const row = (i) => `${holds(i) ? "✓" : ""}\t${this.facts.labels[i]}\t${probabilities[i].toFixed(4)}`;
    show(shown.map(row).join("\n"));
    return { ids, text: ids.map((i) => this.facts.labels[i]).join(this.target.joined_by) };
  }

  ids(text) {
    const row = this.cut([...this.tokenizer.encode(text.trim()), EOS]);
    return this.engine.tensor("source", integers(row), [1, row.length]);
  }

  // One step per line, its numbers separated by commas or spaces.
  frames(text) {
    const { mean, deviation } = this.facts.reading.scales;
    const numbers = (line) => line.split(/[\s,;]+/u).filter((cell) => cell).map(Number);
    const steps = this.cut(text.trim().split("\n").map(numbers));
    const scaled = steps.map((step) => step.map((value, channel) => (value - mean[channel]) / deviation[channel]));
    return this.engine.tensor("source", Float32Array.from(scaled.flat()), [1, steps.length, mean.length]);
  }

  cut(row) {
    const { longest, part } = this.facts.reading;
    if (!longest || row.length <= longest) return row;
    const first = { start: longest, end: 0, both: (longest + 1) >> 1 }[part];
    return [...row.slice(0, first), ...row.slice(row.length - (longest - first))];
  }
}

class TaggerPage {
  async open(page) {
    this.labels = page.facts.labels;
    this.engine = await page.engine("model");
    const vocabulary = page.json("vocabulary.json");
    const numbered = (tokens) => new Map(tokens.map((token, i) => [token, i + SPECIALS]));
    this.words = numbered(vocabulary.words);
    this.characters = numbered(vocabulary.characters);
    this.entry = (word) => {
      const plain = vocabulary.lowercase ? word.toLowerCase() : word;
      return vocabulary.zero_digits ? plain.replace(/\p{Nd}/gu, "0") : plain;
    };
    this.features = vocabulary.features ?? 0;
  }

  // A word, and all that is read of it besides its embedding: its letters, and each feature as one more letter.
  separate(form) {
    const parts = form.split(FEATURE);
    const features = parts.splice(Math.max(parts.length - this.features, 1), this.features);
    if (features.length < this.features) {
      throw new Error(`the model reads features of each word: ${["word", ...Array(this.features).fill("feature")].join(FEATURE)}`);
    }
    const word = parts.join(FEATURE);
    return { word, symbols: [...word, ...features.map((feature, i) => FEATURE.repeat(i + 1) + feature)] };
  }

  async answer(text, show) {
    const forms = text.split(WHITESPACE).filter((form) => form).map((form) => this.separate(form));
    if (!forms.length) return { ids: [], text: "" };
    const words = forms.map((form) => form.word);
    const letters = forms.map((form) => form.symbols.map((symbol) => this.characters.get(symbol) ?? UNK));
    const longest = Math.max(...letters.map((ids) => ids.length));
    const padded = letters.map((ids) => [...ids, ...Array(longest - ids.length).fill(PAD)]);
    const tensor = (name, rows, dims) => this.engine.tensor(name, integers(rows), dims);
    const [outputs] = await this.engine.run({
      word_ids: tensor("word_ids", words.map((word) => this.words.get(this.entry(word)) ?? UNK), [words.length]),
      characters: tensor("characters", padded, [words.length, longest]),
      character_lengths: tensor("character_lengths", letters.map((ids) => ids.length), [words.length]),
      words: tensor("words", words.map((_, i) => i), [1, words.length]),
      lengths: tensor("lengths", [words.length], [1]),
    });
    const ids = [...outputs.tags.data].map(Number);
    const answer = words.map((word, i) => `${word}\t${this.labels[ids[i]]}`).join("\n");
    show(answer);
    return { ids, text: answer };
  }
}

class TranslatorPage {
  async open(page) {
    const { source, target } = page.facts.tokenizers;
    this.source = new Tokenizer(page.json(source));
    this.target = new Tokenizer(page.json(target));
    this.maxLength = page.facts.decoding.max_length;
    this.encoder = await page.engine("encoder");
    this.step = await page.engine("step");
  }

  // Takes the most probable token each time.
  async answer(text, show) {
    const source = [...this.source.encode(text.trim()), EOS], ids = [];
    if (source.length === 1) return { ids, text: "" };
    const [encoded] = await this.encoder.run({
      source: this.encoder.tensor("source", integers(source), [1, source.length]),
      lengths: this.encoder.tensor("lengths", integers([source.length]), [1]),
    });
    let state = this.step.firstState(), token = SOS;
    for (const { name } of this.step.description.state) if (name in encoded) state[name] = encoded[name];
    const longest = this.maxLength || 2 * source.length + 20;
    while (ids.length < longest) {
      const tokenIds = this.step.tensor("token_ids", integers([token]), [1, 1]);
      const [outputs, after] = await this.step.run({ token_ids: tokenIds, ...encoded, ...state });
      token = largest(outputs.log_probs.data, 0, this.target.tokens.length, SEARCHED);
      state = after;
      if (token === EOS) break;
      ids.push(token);
      show(this.target.decode(ids));
    }
    return { ids, text: this.target.decode(ids) };
  }
}

const PAGES = {
  "network language model": LanguageModelPage,
  classifier: ClassifierPage,
  tagger: TaggerPage,
  translator: TranslatorPage,
};
