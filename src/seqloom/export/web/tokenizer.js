// Text to token ids and back, by what tokenizer.json says: words, characters, byte pairs, unigram pieces.

const PAD = 0, UNK = 1, SOS = 2, EOS = 3, SPECIALS = 4;

const WHITESPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
const PUNCTUATION = /([!-\/:-@\[-`{-~]|\p{P})/u;
const BYTE_LEVEL = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
// A text may hold the words <pad>, <sos> and <eos>, which are words like any other: in the file their names have a
// space in front; what is looked up has it the other way round.
const LOOKALIKES = new Map(["<pad>", "<sos>", "<eos>"].flatMap((name) => [[name, ` ${name}`], [` ${name}`, name]]));
const swapped = (name) => LOOKALIKES.get(name) ?? name;

// The 256 characters that stand for bytes in byte-level vocabularies.
function byteCharacters() {
  const printable = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  const characters = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) characters.push(String.fromCodePoint(printable(byte) ? byte : next++));
  return characters;
}

class Tokenizer {
  constructor(description) {
    this.description = description;
    this.kind = description.model.type;
    const vocab = description.model.vocab;
    this.tokens = [];
    if (this.kind === "Unigram") {
      this.tokens = vocab.map(([token]) => swapped(token));
      this.scores = new Map(vocab.map(([token, score]) => [swapped(token), score]));
      this.worst = Math.min(...vocab.map(([, score]) => score)) - 10;
      this.longest = Math.max(...this.tokens.map((token) => token.length));
    } else {
      for (const [token, id] of Object.entries(vocab)) this.tokens[id] = swapped(token);
    }
    this.ids = new Map(this.tokens.map((token, id) => [token, id]));
    if (this.kind === "BPE") {
      const pairs = description.model.merges.map((merge) => (Array.isArray(merge) ? merge.join(" ") : merge));
      this.ranks = new Map(pairs.map((pair, rank) => [pair, rank]));
    }
    this.bytes = byteCharacters();
    this.byteOf = new Map(this.bytes.map((character, byte) => [character, byte]));
    this.lowercase = (description.normalizer || {}).type === "Lowercase";
    this.separatesWords = !description.decoder;
  }

  encode(text) {
    text = this.lowercase ? text.toLowerCase() : text;
    return this.pieces(text).map((token) => (this.ids.has(token) ? this.ids.get(token) : UNK));
  }

  pieces(text) {
    if (this.kind === "BPE") return (text.match(BYTE_LEVEL) || []).flatMap((word) => this.bytePairs(word));
    if (this.kind === "Unigram") return this.unigram(text);
    const kind = this.description.pre_tokenizer.type;
    if (kind === "Split") return [...text];
    const words = text.split(WHITESPACE).filter((word) => word);
    if (kind === "WhitespaceSplit") return words;
    return words.flatMap((word) => word.split(PUNCTUATION).filter((part) => part));
  }

  inBytes(word) {
    return [...new TextEncoder().encode(word)].map((byte) => this.bytes[byte]);
  }

  bytePairs(word) {
    let parts = this.inBytes(word);
    while (parts.length > 1) {
      let best = Infinity, place = -1;
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`);
        if (rank !== undefined && rank < best) [best, place] = [rank, i];
      }
      if (place < 0) break;
      parts = [...parts.slice(0, place), parts[place] + parts[place + 1], ...parts.slice(place + 2)];
    }
    return parts;
  }

  // The most probable pieces of each word, which begins with the space before it.
  unigram(text) {
    const words = text.split(/(?= )/u).filter((word) => word);
    return words.flatMap((word) => {
      const letters = this.inBytes(word);
      const best = [{ score: 0, from: 0 }];
      for (let end = 1; end <= letters.length; end++) {
        best.push({ score: -Infinity, from: end - 1 });
        for (let start = end - 1; start >= 0 && end - start <= this.longest; start--) {
          const piece = letters.slice(start, end).join("");
          const known = this.scores.has(piece);
          if (!known && end - start > 1) continue;
          const score = best[start].score + (known ? this.scores.get(piece) : this.worst);
          if (score > best[end].score) best[end] = { score, from: start };
        }
      }
      const pieces = [];
      for (let end = letters.length; end > 0; end = best[end].from) pieces.push(letters.slice(best[end].from, end).join(""));
      pieces.reverse();
      // Unknown characters side by side are one unknown token.
      return pieces.filter((piece, i) => this.scores.has(piece) || i === 0 || this.scores.has(pieces[i - 1]));
    });
  }

  decode(ids) {
    const tokens = ids.filter((id) => id !== PAD && id !== SOS && id !== EOS).map((id) => this.tokens[id]);
    if (this.kind === "WordLevel") return tokens.join(this.separatesWords ? " " : "");
    const bytes = tokens.flatMap((token) => [...token].map((character) => this.byteOf.get(character) ?? 63));
    return new TextDecoder().decode(new Uint8Array(bytes));
  }
}
