"""Paragraph vectors (Le and Mikolov 2014): a vector for every document, learnt from the words in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqloom.config import needs
from seqloom.data.document_names import NAMES_FILE, read_names, write_names
from seqloom.data.documents import DocumentCodec, DocumentFile
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import SPECIALS
from seqloom.errors import RequestError
from seqloom.models.word_vectors.inference import infer
from seqloom.models.word_vectors.model import WordVectors
from seqloom.models.word_vectors.network import Network
from seqloom.models.word_vectors.settings import CBOWSettings, WordVectorSettings
from seqloom.models.word_vectors.subwords import NO_SUBWORDS
from seqloom.models.word_vectors.weights import Weights, padded_rows, zero_rows
from seqloom.processors import num_threads, run_all

_INFERENCE_PASSES = Field(
    20, gt=0, le=10_000, description="passes over a new document, whose vector is learnt as those of the training were"
)


class PVDBOWSettings(WordVectorSettings):
    word_vectors: bool = Field(
        True,
        description="also train the vectors of words, by skip-gram with the same outputs: better documents (Lau and "
        "Baldwin 2016) in twice the time",
    )
    window: int = Field(
        5, gt=0, le=1_000,
        description="word_vectors: words on each side of the centre, at most; each window's width is drawn from 1 to "
        "this",
        json_schema_extra=needs(word_vectors=True),
    )  # fmt: skip
    inference_passes: int = _INFERENCE_PASSES

    @model_validator(mode="after")
    def _words_have_character_ngrams(self) -> PVDBOWSettings:
        if self.subwords.longest and not self.word_vectors:
            raise RequestError(
                "the setting changes nothing", where="model.subwords.longest",
                got=f"{self.subwords.longest} with model.word_vectors=False",
                expected="also model.word_vectors=true: only vectors of words are composed of character n-grams",
            )  # fmt: skip
        return self


class PVDMSettings(CBOWSettings):
    inference_passes: int = _INFERENCE_PASSES


class ParagraphVectors(WordVectors):
    """The base of PV-DBOW and PV-DM: each line of the training text is a document. `names`: those of the documents."""

    has_documents = True

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.names: Sequence[str] = ()

    def begin(self, train: DocumentFile, codec: DocumentCodec, seed: int) -> None:  # type: ignore[override]
        super().begin(train, codec, seed)
        self.names = train.names()

    def begin_from(self, folder: Path) -> str:
        """Words and outputs begin as those of the earlier run; the documents of the new text have new vectors."""
        return f"{super().begin_from(folder)}; {len(self.names):,} new documents"

    def documents(self) -> Float[NDArray[np.float32], "documents dim"]:
        """The vector of each document of the training text."""
        if self.arrays:
            return self.arrays["documents"]
        assert self._weights is not None
        return self._weights.inputs.reshape(-1, self.stride)[self._first_document_row() :, : self.config.dim]

    def infer(self, ids: NDArray[Any], offsets: NDArray[np.int64]) -> Float[NDArray[np.float32], "lines dim"]:
        """The vectors of new documents; `ids` and `offsets` are those of a `TokenFile`. A document without known words
        has a vector of zeros."""
        vectors = self._infer(ids, offsets, offsets[1:])[0]
        num_words = np.append(0, np.cumsum(ids >= len(SPECIALS)))[offsets]
        vectors[np.diff(num_words) == 0] = 0
        return vectors

    def measure(self, text: TokenFile) -> tuple[float, int]:
        """Document completion (Wallach et al. 2009, section 5.1): the vector of each document is learnt from the first
        half of its tokens, and the loss is that of the second half."""
        offsets = np.asarray(text.offsets)
        middles = offsets[:-1] + np.diff(offsets) // 2
        _, nats, windows = self._infer(np.asarray(text.ids), offsets, middles)
        return nats, windows

    def _infer(
        self, ids: NDArray[Any], offsets: NDArray[np.int64], middles: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], float, int]:
        self._make_ready()
        settings: Any = self.config
        lines, network = len(offsets) - 1, self._reader()
        vectors = zero_rows(lines, self.stride)
        bounds = np.linspace(0, lines, min(lines, 8 * num_threads()) + 1).astype(int).tolist()

        def work(part: int) -> tuple[float, int]:
            return infer(
                np.asarray(ids), offsets, middles, bounds[part], bounds[part + 1], network, settings.dim, vectors,
                settings.inference_passes, settings.learning_rate, settings.last_learning_rate,
            )  # fmt: skip

        losses = run_all(work, range(len(bounds) - 1))
        rows = vectors.reshape(lines, self.stride)[:, : settings.dim]
        return rows, sum((nats for nats, _ in losses), 0.0), sum(windows for _, windows in losses)

    def _reader(self) -> Network:
        """The network whose inputs are the vectors of words, which do not change."""
        words = self._word_inputs() if self.is_cbow else np.zeros(0, np.float32)
        return self._network()._replace(inputs=words, word_rows=NO_SUBWORDS)

    def _word_inputs(self) -> NDArray[np.float32]:
        """The vectors of words as flat rows of `stride` numbers."""
        assert self._weights is not None
        if len(self._word_rows.rows):
            return padded_rows(self.vectors(), self.stride)
        return self._weights.inputs

    def _saved_arrays(self, weights: Weights) -> dict[str, NDArray[Any]]:
        arrays = {**super()._saved_arrays(weights), "documents": self.documents()}
        return arrays if self.has_words else {name: arrays[name] for name in ("outputs", "counts", "documents")}

    def save(self, folder: Path) -> None:
        write_names(folder / NAMES_FILE, self.names)
        super().save(folder)

    def open(self, folder: Path) -> None:
        self.names = read_names(folder / NAMES_FILE)
        super().open(folder)

    def _saved_rows(self, words: int = 0) -> dict[str, int]:
        return {**super()._saved_rows(words), "documents": len(self.names)}


class PVDBOW(ParagraphVectors):
    """PV-DBOW: the vector of a document predicts each of its words."""

    description = "Paragraph vectors, distributed bag of words: a document predicts its words."
    source = "Le and Mikolov 2014"
    settings = PVDBOWSettings
    config: PVDBOWSettings

    @property
    def has_words(self) -> bool:  # type: ignore[override]
        return self.config.word_vectors

    def _window(self) -> int:
        return self.config.window if self.has_words else 0


class PVDM(ParagraphVectors):
    """PV-DM: the mean of a document's vector and those of the words of a window predicts the word in the middle."""

    description = "Paragraph vectors, distributed memory: a document and the words around a word predict it."
    source = "Le and Mikolov 2014"
    settings = PVDMSettings
    is_cbow = True
