"""Text to token ids and back, with a tokenizer of the library tokenizers, in files as `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers

from seqloom_portable.specials import EOS, PAD, SOS, SPECIALS, UNK, swap_lookalikes


class TextTokenizer:
    """If it `separates_words`, whitespace is not encoded, and `decode` puts a space between tokens. `inner`: the
    library's tokenizer, whose vocabulary has the names after `swap_lookalikes`."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner
        self.vocab_size: int = inner.get_vocab_size()
        self.separates_words = inner.decoder is None

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


def open_tokenizer(path: Path) -> TextTokenizer:
    description = with_lookalikes_swapped(json.loads(path.read_text(encoding="utf-8")))
    return TextTokenizer(tokenizers.Tokenizer.from_str(json.dumps(description)))


def with_lookalikes_swapped(description: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer as its file describes it, from one as the library holds it, or the other way round."""
    model = description["model"]
    if model["type"] == "Unigram":
        vocabulary: Any = [[swap_lookalikes(token), score] for token, score in model["vocab"]]
    else:
        vocabulary = {swap_lookalikes(token): number for token, number in model["vocab"].items()}
    return {**description, "model": {**model, "vocab": vocabulary}}
