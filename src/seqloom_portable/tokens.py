"""Text to token ids and back, with the tokenizer in the folder's `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tokenizers

from seqloom_portable.specials import EOS, PAD, SOS, SPECIALS, UNK, swap_lookalikes


class TextTokenizer:
    """A tokenizer of the library tokenizers. If it `separates_words`, whitespace is not encoded, and `decode` puts a
    space between tokens."""

    def __init__(self, path: Path) -> None:
        description = json.loads(path.read_text(encoding="utf-8"))
        model = description["model"]
        if model["type"] == "Unigram":
            model["vocab"] = [[swap_lookalikes(token), score] for token, score in model["vocab"]]
        else:
            model["vocab"] = {swap_lookalikes(token): number for token, number in model["vocab"].items()}
        self._inner = tokenizers.Tokenizer.from_str(json.dumps(description))
        self.vocab_size: int = self._inner.get_vocab_size()
        self.separates_words = self._inner.decoder is None

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The ids of each line, without `<sos>` and `<eos>`."""
        return [encoding.ids for encoding in self._inner.encode_batch_fast(list(lines), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; `<pad>`, `<sos>` and `<eos>` are left out."""
        text: str = self._inner.decode([i for i in ids if i not in (PAD, SOS, EOS)], skip_special_tokens=False)
        return text

    def token(self, token_id: int) -> str:
        return swap_lookalikes(self._inner.id_to_token(token_id) or SPECIALS[UNK])

    def ids_of(self, tokens: Sequence[str]) -> list[int]:
        """The ids of tokens of the vocabulary."""
        return [
            number if (number := self._inner.token_to_id(swap_lookalikes(token))) is not None else UNK
            for token in tokens
        ]

    def shown(self, token_id: int) -> str:
        """A token as text for a reader; a token that is part of a character keeps the tokenizer's notation."""
        text = self.decode([token_id]).strip()
        return text if text and "\ufffd" not in text else self.token(token_id)
