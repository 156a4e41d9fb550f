"""Mixtures of language models: p(w | h) = sum of weight_k p_k(w | h)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.folder import Folder
from seqloom_portable.language_model import LanguageModel
from seqloom_portable.specials import EOS, SOS


class MixtureLanguageModel(LanguageModel):
    """A weighted mixture of `parts`. Each part has its own subfolder and its own state."""

    def __init__(self, folder: Folder, parts: list[LanguageModel]) -> None:
        super().__init__(folder)
        self.parts = parts
        self._log_weights = np.log(np.array(folder.manifest["weights"], np.float64))
        self._modes: list[str | None] = folder.manifest["modes"]

    def first_state(self, batch: int) -> list[Any]:
        return [part.first_state(batch) for part in self.parts]

    def _heard(self, number: int, token_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The input of one part. A part that was trained on a stream has no `<sos>`: a line begins after an `<eos>`."""
        if self._modes[number] == "stream" and self.mode == "lines":
            return np.where(token_ids == SOS, EOS, token_ids)
        return token_ids

    def _mixed(self, scores: list[NDArray[Any]]) -> NDArray[np.float64]:
        weighted = [
            log_probs.astype(np.float64) + weight for log_probs, weight in zip(scores, self._log_weights, strict=True)
        ]
        mixed: NDArray[np.float64] = np.logaddexp.reduce(weighted)
        return mixed

    def next_log_probs(self, token_ids: NDArray[np.int64], state: list[Any]) -> tuple[NDArray[np.float64], list[Any]]:
        outputs = [
            part.next_log_probs(self._heard(number, token_ids), part_state)
            for number, (part, part_state) in enumerate(zip(self.parts, state, strict=True))
        ]
        return self._mixed([log_probs for log_probs, _ in outputs]), [after for _, after in outputs]

    def target_log_probs(
        self, token_ids: NDArray[np.int64], targets: NDArray[np.int64], lengths: NDArray[np.int64], state: list[Any]
    ) -> tuple[NDArray[np.float64], list[Any]]:
        outputs = [
            part.target_log_probs(self._heard(number, token_ids), targets, lengths, part_state)
            for number, (part, part_state) in enumerate(zip(self.parts, state, strict=True))
        ]
        return self._mixed([scores for scores, _ in outputs]), [after for _, after in outputs]
