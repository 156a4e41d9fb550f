"""An attentive LSTM encoder-decoder in plain PyTorch after the usual recipe for inflection (Bahdanau et al. 2015): the
peer of `per_update.py`. Knows no Seqloom.

A bidirectional LSTM reads the source. At each step additive attention with the decoder's last hidden state as query
gives a context, which the decoder's LSTM reads beside the embedding of the last symbol; a linear layer maps its output
to the vocabulary. Learned initial states, element-wise dropout of embeddings and outputs, PyTorch's initial weights,
Adam, the mean loss of a batch, no clipping.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Source(NamedTuple):
    """`encoded`: (batch, source, 2 width); `keys`: (batch, source, width); `is_padding`: (batch, source)."""

    encoded: Tensor
    keys: Tensor
    is_padding: Tensor


class AttentiveLSTM(nn.Module):
    def __init__(self, vocab_size: int, width: int, dropout: float, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.source_embedding, self.target_embedding = (nn.Embedding(vocab_size, width) for _ in range(2))
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.hidden, self.cell = nn.Parameter(torch.rand(width)), nn.Parameter(torch.rand(width))
        # One map of both, v tanh(W [encoded; query] + b), in two halves, so that the first is computed once a source.
        self.of_encoded, self.of_query = nn.Linear(2 * width, width), nn.Linear(width, width, bias=False)
        for half in (self.of_encoded.weight, self.of_query.weight):
            nn.init.uniform_(half, -((3 * width) ** -0.5), (3 * width) ** -0.5)
        self.score = nn.Linear(width, 1, bias=False)
        self.decoder = nn.LSTM(3 * width, width, batch_first=True)
        self.classifier = nn.Linear(width, vocab_size)

    def encode(self, source: Tensor, lengths: Tensor) -> Source:
        embedded = self.dropout(self.source_embedding(source))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = pad_packed_sequence(self.encoder(packed)[0], batch_first=True)
        return Source(outputs, self.of_encoded(outputs), torch.arange(outputs.shape[1]) >= lengths[:, None])

    def first_state(self, batch: int) -> tuple[Tensor, Tensor]:
        return self.hidden.expand(1, batch, -1).contiguous(), self.cell.expand(1, batch, -1).contiguous()

    def step(
        self, symbols: Tensor, state: tuple[Tensor, Tensor], source: Source
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The logits (batch, vocab) after the last `symbols` (batch,), and the new state."""
        scores = self.score(torch.tanh(source.keys + self.of_query(state[0][0])[:, None])).squeeze(2)
        weights = torch.softmax(scores.masked_fill(source.is_padding, -torch.inf), dim=1)
        context = torch.bmm(weights[:, None], source.encoded)
        embedded = self.dropout(self.target_embedding(symbols[:, None]))
        output, state = self.decoder(torch.cat([embedded, context], dim=2), state)
        return self.classifier(self.dropout(output[:, 0])), state

    def loss(self, source: Tensor, lengths: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        """The cross-entropy in nats, summed over all targets that are not padding."""
        encoded = self.encode(source, lengths)
        state, logits = self.first_state(len(source)), []
        for symbols in inputs.unbind(1):
            step_logits, state = self.step(symbols, state, encoded)
            logits.append(step_logits)
        flat = torch.stack(logits, dim=1).flatten(0, 1)
        return F.cross_entropy(flat, targets.flatten(), ignore_index=self.padding, reduction="sum")

    @torch.no_grad()
    def greedy(self, source: Tensor, lengths: Tensor, first: int, last: int, steps: int) -> list[list[int]]:
        """The most probable symbol at each step, for each source, up to the symbol `last`."""
        encoded = self.encode(source, lengths)
        state, symbols, written = self.first_state(len(source)), torch.full((len(source),), first), []
        for _ in range(steps):
            logits, state = self.step(symbols, state, encoded)
            symbols = logits.argmax(1)
            written.append(symbols)
        rows = torch.stack(written, dim=1).tolist()
        return [row[: row.index(last)] if last in row else row for row in rows]
