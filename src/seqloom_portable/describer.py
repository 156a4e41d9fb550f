"""Describers: models that write a text about a vector, or about a sequence of vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.embedding import sentence_vectors
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.sampling import Sampling
from seqloom_portable.specials import PAD, SOS, UNK
from seqloom_portable.targets import Hypothesis
from seqloom_portable.tokens import open_tokenizer
from seqloom_portable.transducer import Transducer, Translation

Frames = NDArray[np.float32]


class Describer(Transducer):
    """`channels`: the numbers of a vector."""

    reads_numbers = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        super().__init__(folder, threads)
        reading = folder.manifest["reading"]
        self._mean, self._deviation = np.array(reading["mean"]), np.array(reading["deviation"])
        self._parts: int = reading["parts"]
        self.channels = len(self._mean) * self._parts
        self.tokenizer = open_tokenizer(folder.path / "tokenizer.json")

    def predict(self, inputs: Sequence[Any], **options: Any) -> list[str]:
        """The best text about each input; see `answers` for the options."""
        return [answers[0].text for answers in self.answers(inputs, **options)]

    def answers(
        self,
        inputs: Sequence[Any],
        beam_size: int | None = None,
        n_best: int = 1,
        length_penalty: float | None = None,
        max_length: int | None = None,
        sampling: Sampling | None = None,
        seed: int = 1,
    ) -> Iterator[list[Translation]]:
        """Yields the texts about each vector (channels,) or sequence of vectors (steps, channels), the best first.
        Options that are None take the values that the run was trained with."""
        never, rows = (PAD, SOS, UNK), self.rows(inputs)
        search = self.search_options(beam_size, n_best, length_penalty, max_length, sampling, seed, never)
        for row, hypotheses in zip(rows, self.search(rows, search), strict=True):
            yield [self._read(hypothesis, len(row)) for hypothesis in hypotheses]

    def _read(self, hypothesis: Hypothesis, steps: int) -> Translation:
        text = self.tokenizer.decode(hypothesis.token_ids)
        if hypothesis.attention is None:
            return Translation(text, hypothesis.log_prob, hypothesis.score)
        weights = hypothesis.attention[:, :steps]
        tokens = (*map(self.tokenizer.shown, hypothesis.token_ids), *["<eos>"] * hypothesis.ended)
        names = tuple(str(step) for step in range(1, steps + 1))
        return Translation(text, hypothesis.log_prob, hypothesis.score, weights, names, tokens)

    def rows(self, inputs: Sequence[Any]) -> list[Frames]:
        """The scaled numbers of each input, (steps, channels). Raises PortableError where they do not fit."""
        return [self._row(number, vector) for number, vector in enumerate(inputs, 1)]

    def _row(self, number: int, vector: Any) -> Frames:
        try:
            with np.errstate(over="ignore"):  # what is too large for float32 is refused below
                frames = np.asarray(vector, np.float32)
        except (TypeError, ValueError):
            raise PortableError(f"input {number} is no vector and no sequence of vectors of one length") from None
        frames = frames[None] if frames.ndim == 1 else frames
        if self._parts > 1 and len(frames) == 1 and frames.size == self.channels:
            frames = frames.reshape(self._parts, -1)
        if frames.ndim != 2 or not len(frames) or frames.shape[1] != len(self._mean):
            expected = f"{self.channels} numbers, or a sequence of such"
            raise PortableError(f"input {number} does not fit the model: {frames.shape}; expected {expected}")
        with np.errstate(over="ignore"):
            scaled: Frames = ((frames - self._mean) / self._deviation).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise PortableError(f"input {number} holds NaN, or a number too large for float32")
        return scaled

    def embed(self, inputs: Sequence[Any], pooling: str = "auto") -> NDArray[np.float32]:
        """(inputs, size): by default, the mean of the encoder's outputs."""
        engine = self.folder.engine("embed", self.threads)
        return sentence_vectors(engine, self.rows(inputs), "mean" if pooling == "auto" else pooling)
