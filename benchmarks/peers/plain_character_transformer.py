"""A character Transformer in plain PyTorch after the well-known laptop recipe: the peer of `character_model.py`.

4 layers, 4 heads, 128 dimensions, block 64, batch 12, AdamW at 1e-3 falling to 1e-4, betas 0.9 and 0.99, no dropout,
learned positions, norms before, tied weights, random blocks. Knows no Seqloom.
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
from torch.nn import functional as F

BLOCK, BATCH, DIM, HEADS, LAYERS = 64, 12, 128, 4, 4
HIGHEST_RATE, LOWEST_RATE, WARMUP_UPDATES = 1e-3, 1e-4, 100


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(DIM, bias=False), nn.LayerNorm(DIM, bias=False)
        self.attend, self.join = nn.Linear(DIM, 3 * DIM, bias=False), nn.Linear(DIM, DIM, bias=False)
        self.widen, self.narrow = nn.Linear(DIM, 4 * DIM, bias=False), nn.Linear(4 * DIM, DIM, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, DIM) to the same."""
        batch, steps, _ = x.shape
        heads = self.attend(self.norm_1(x)).view(batch, steps, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=True)
        x = x + self.join(attended.transpose(1, 2).reshape(batch, steps, DIM))
        return x + self.narrow(F.gelu(self.widen(self.norm_2(x))))


class CharacterTransformer(nn.Module):
    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.characters, self.positions = nn.Embedding(vocab_size, DIM), nn.Embedding(BLOCK, DIM)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(DIM, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                last = name.endswith(("join.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, time) ids to (batch, time, vocab) logits."""
        x = self.characters(token_ids) + self.positions.weight[: token_ids.shape[1]]
        return F.linear(self.norm(self.blocks(x)), self.characters.weight)


@torch.no_grad()
def bits_per_character(model: CharacterTransformer, ids: Tensor, first: int, stride: int = 16) -> float:
    """Every character of the text once, each after the first block with at least BLOCK - stride before it."""
    model.eval()
    inputs = torch.cat([torch.tensor([first]), ids[:-1]])
    nats = F.cross_entropy(model(inputs[None, :BLOCK])[0], ids[:BLOCK], reduction="sum").double()
    starts = torch.arange(stride, max(stride, len(ids) - BLOCK + 1), stride)
    for row in range(0, len(starts), 256):
        window = starts[row : row + 256, None] + torch.arange(BLOCK)
        logits = model(inputs[window])[:, -stride:]
        nats += F.cross_entropy(logits.flatten(0, 1), ids[window[:, -stride:]].flatten(), reduction="sum")
    done = BLOCK + stride * len(starts)
    if done < len(ids):
        logits = model(inputs[None, -BLOCK:])[0, -(len(ids) - done) :]
        nats += F.cross_entropy(logits, ids[done:], reduction="sum")
    return float(nats) / len(ids) / math.log(2)


def rate(update: int, fraction: float) -> float:
    """The learning rate: up in a line, then a cosine along the time that there is."""
    if update < WARMUP_UPDATES:
        return HIGHEST_RATE * (update + 1) / WARMUP_UPDATES
    return LOWEST_RATE + 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0))) * (HIGHEST_RATE - LOWEST_RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with train.npy, valid.npy, facts.json")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    train, valid = (torch.from_numpy(np.load(options.corpus / f"{name}.npy")) for name in ("train", "valid"))
    model = CharacterTransformer(json.loads((options.corpus / "facts.json").read_text())["vocab_size"])
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, HIGHEST_RATE, betas=(0.9, 0.99))
    updates, fraction, started, end_of_line = 0, 0.0, time.monotonic(), 3
    while fraction < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate(updates, fraction)
        starts = torch.randint(len(train) - BLOCK, (BATCH, 1))
        window = train[starts + torch.arange(BLOCK + 1)]
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        updates += 1
        fraction = (time.monotonic() - started) / (60 * options.minutes)
    seconds = time.monotonic() - started
    print(
        json.dumps(
            {
                "targets_per_second": updates * BATCH * BLOCK / seconds,
                "bits_per_character": bits_per_character(model, valid, end_of_line),
                "updates": updates,
                "parameters": sum(p.numel() for p in model.parameters()),
            }
        )
    )


if __name__ == "__main__":
    main()
