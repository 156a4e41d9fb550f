"""Transcripts of an attention decoder, searched by the network itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqloom.data.example import Frames
from seqloom.data.tokenizer import UNK
from seqloom.decoding.batching import run_in_batches
from seqloom.decoding.search_options import Constraints, Search
from seqloom.decoding.transduce import BUDGET, transduce_batch
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.nn.layer import State, evaluating
from seqloom_portable import attentional
from seqloom_portable.attentional import TOKENS_PER_STEP, Searched, length_penalty
from seqloom_portable.transcripts import CtcDecoder, Transcript


class _Heard:
    """A network for one batch of a search, which keeps the outputs of its encoder for CTC."""

    def __init__(self, model: AttentionalTranscriber) -> None:
        self._model = model
        self.outputs = torch.zeros(0, 0, 0)
        self.initial_state, self.decode_next, self.log_prob = model.initial_state, model.decode_next, model.log_prob

    def encode(self, source: Float[Tensor, "batch source size"], lengths: Int[Tensor, " batch"] | None) -> State:
        encoded = self._model.encoder(source, lengths)
        self.outputs = encoded.outputs
        return self._model.decoder.read(encoded)


@torch.inference_mode()
def attentional_transcripts(
    model: AttentionalTranscriber, rows: Sequence[Frames], decoder: CtcDecoder, device: torch.device, longest: int
) -> Iterator[list[Transcript]]:
    """Yields the transcripts of each recording, searched in batches of similar length; see
    `seqloom_portable.attentional.attentional_transcripts`."""
    width, penalty = decoder.beam_size, length_penalty(model.ctc_weight)
    options = Search(width, width, penalty, max_ratio=TOKENS_PER_STEP, never=(UNK,))

    def searched(parts: list[Frames]) -> Iterator[Searched]:
        heard = _Heard(model)
        hypotheses = transduce_batch(heard, [(part, Constraints()) for part in parts], options, device)
        log_probs = model.ctc_of(heard.outputs).cpu().numpy()
        return ((of_part, row[: len(part)]) for of_part, row, part in zip(hypotheses, log_probs, parts, strict=True))

    def search(parts: Sequence[Frames]) -> Iterator[Searched]:
        return run_in_batches(parts, len, BUDGET // width, searched)

    with evaluating(model):
        yield from attentional.attentional_transcripts(rows, search, decoder, model.ctc_weight, longest)
