"""An n-gram model of the words of transcripts, kept as buffers of the network that it helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SPECIALS, UNK
from seqloom.errors import SeqloomError
from seqloom.models.ngram.model import NgramModel, NgramSettings
from seqloom.models.ngram.store import DTYPES, Store


class WordNgram(nn.Module):
    """The arrays of a `Store`, whose word ids are places in a list of words, the special tokens before them."""

    def __init__(self, arrays: Mapping[str, Tensor], text: Tensor) -> None:
        """`text`: the words as UTF-8 bytes, a line each."""
        super().__init__()
        self.text: Tensor
        self.register_buffer("text", text)
        for name, tensor in arrays.items():
            self.register_buffer(name, tensor)

    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """All of the new data: it is counted, not learnt by gradients."""
        return dict(self.named_buffers())

    def known_words(self) -> list[str]:
        text = bytes(self.text.cpu().numpy()).decode("utf-8", errors="replace")
        return text.split("\n") if text else []

    @classmethod
    def estimate(cls, texts: Sequence[str], words: Sequence[str], order: int) -> WordNgram:
        """From texts, each a line; words that are not among `words` are unknown."""
        ids = {word: number for number, word in enumerate(words, len(SPECIALS))}
        lines = [[*(ids.get(word, UNK) for word in text.split()), EOS] for text in texts]
        offsets = np.cumsum([0, *map(len, lines)], dtype=np.int64)
        tokens = TokenFile(np.array([i for line in lines for i in line], np.uint32), offsets, 0, 0)
        # Counts of transcripts are too few for the discounts of Kneser-Ney.
        model = NgramModel(NgramSettings(order=order, smoothing="witten-bell"))
        model.estimate(tokens, None, len(SPECIALS) + len(words))
        return cls.of(model.store, words)

    @classmethod
    def of(cls, store: Store, words: Sequence[str]) -> WordNgram:
        integers = {"words", "suffix", "begin", "sizes"}
        return cls(
            {
                name: torch.from_numpy(np.array(array, np.int64 if name in integers else np.float32))
                for name, array in store._asdict().items()
            },
            torch.from_numpy(np.frombuffer("\n".join(words).encode(), np.uint8).copy()),
        )

    @classmethod
    def like(cls, tensors: Mapping[str, Tensor], prefix: str) -> WordNgram | None:
        """The model among the saved `tensors`, every index of it checked; None where there is none."""
        if not any(name.startswith(prefix) for name in tensors):
            return None
        model = cls({name: tensors[prefix + name] for name in Store._fields}, tensors[f"{prefix}text"])
        vocab_size, known = model.store("model.safetensors").vocab_size, len(SPECIALS) + len(model.known_words())
        if vocab_size != known:
            got = f"probabilities of {vocab_size:,} words, {known:,} words"
            raise SeqloomError("the n-gram model is damaged", where="model.safetensors", got=got)
        return model

    def store(self, where: str = "the n-gram model of the run") -> Store:
        """For compiled queries, every index of it checked."""
        store = Store(**{name: getattr(self, name).cpu().numpy().astype(dtype) for name, dtype in DTYPES.items()})
        store.check(where)
        return store
