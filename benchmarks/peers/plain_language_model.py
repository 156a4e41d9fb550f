"""A word language model in plain PyTorch, as one writes it by hand: the peer of `language_model.py`. Knows no Seqloom.

Embedding 200, two LSTM layers of 200, full softmax, dropout 0.2, Adam at 1e-3, 20 streams, 35 steps. Validates after
each epoch and keeps the best, which counts as time, as it does for its opponent.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


class PlainLanguageModel(nn.Module):
    def __init__(self, vocab_size: int, size: int = 200, num_layers: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Embedding(vocab_size, size)
        self.lstm = nn.LSTM(size, size, num_layers, dropout=dropout)
        self.output = nn.Linear(size, vocab_size)
        for weight in (self.embedding.weight, self.output.weight):
            nn.init.uniform_(weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)

    def forward(self, token_ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """`token_ids`: (time, batch). Gives the logits (time * batch, vocab) and the state."""
        hidden, state = self.lstm(self.dropout(self.embedding(token_ids)), state)
        return self.output(self.dropout(hidden).flatten(0, 1)), state


def streams(ids: Tensor, batch_size: int) -> Tensor:
    """(time, batch): each column a stretch of the text."""
    time_steps = len(ids) // batch_size
    return ids[: time_steps * batch_size].view(batch_size, time_steps).t().contiguous()


@torch.no_grad()
def perplexity(model: PlainLanguageModel, ids: Tensor, first: int, horizon: int = 256) -> float:
    """Every token of the text once, in one stream, the state carried all the way."""
    model.eval()
    inputs, total, state = torch.cat([torch.tensor([first]), ids[:-1]]), 0.0, None
    for start in range(0, len(ids), horizon):
        logits, state = model(inputs[start : start + horizon, None], state)
        total += float(nn.functional.cross_entropy(logits, ids[start : start + horizon], reduction="sum"))
    model.train()
    return math.exp(total / len(ids))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with train.npy, valid.npy, facts.json")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--horizon", type=int, default=35)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--clip-norm", type=float, default=0.5)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    train, valid = (torch.from_numpy(np.load(options.corpus / f"{name}.npy")) for name in ("train", "valid"))
    model = PlainLanguageModel(json.loads((options.corpus / "facts.json").read_text())["vocab_size"])
    optimizer = torch.optim.Adam(model.parameters(), options.learning_rate)
    criterion = nn.CrossEntropyLoss()
    data, end_of_line = streams(train, options.batch_size), 3
    started, validating, targets, best = time.monotonic(), 0.0, 0, math.inf
    finished = False
    while not finished:
        state: State | None = None
        for start in range(0, len(data) - 1, options.horizon):
            inputs = data[start : min(start + options.horizon, len(data) - 1)]
            wanted = data[start + 1 : start + 1 + len(inputs)].flatten()
            if state is not None:
                state = (state[0].detach(), state[1].detach())
            logits, state = model(inputs, state)
            loss = criterion(logits, wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), options.clip_norm)
            optimizer.step()
            targets += len(wanted)
            finished = time.monotonic() - started >= 60 * options.minutes
            if finished:
                break
        seconds = time.monotonic() - started - validating
        best = min(best, perplexity(model, valid, end_of_line))
        validating = time.monotonic() - started - seconds
    print(
        json.dumps(
            {
                "targets_per_second": targets / seconds,
                "perplexity": best,
                "targets": targets,
                "epochs": targets / (len(data) * options.batch_size),
                "parameters": sum(p.numel() for p in model.parameters()),
            }
        )
    )


if __name__ == "__main__":
    main()
