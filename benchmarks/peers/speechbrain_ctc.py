"""SpeechBrain (Ravanelli et al. 2021) on given batches of stacked frames: the peer of `transcribe.py`. Knows no
Seqloom.

Its `Brain.fit_batch` trains layers of its own with its CTC loss, by a Python that has it, on one thread: `layers` are
those that `transcribe.py` trains, `crdnn` is the network of its own CTC recipe with about as many weights. The batches
are finished, so that no augmentation is counted. Prints seconds of the processor for each update, after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import speechbrain  # type: ignore[import-not-found]
import torch
from speechbrain.lobes.models.CRDNN import CRDNN  # type: ignore[import-not-found]
from speechbrain.nnet.CNN import Conv1d  # type: ignore[import-not-found]
from speechbrain.nnet.containers import Sequential  # type: ignore[import-not-found]
from speechbrain.nnet.linear import Linear  # type: ignore[import-not-found]
from speechbrain.nnet.losses import ctc_loss  # type: ignore[import-not-found]
from speechbrain.nnet.normalization import LayerNorm  # type: ignore[import-not-found]
from speechbrain.nnet.RNN import GRU  # type: ignore[import-not-found]
from torch import Tensor, nn

WARM_UP = 5


class Recogniser(speechbrain.Brain):  # type: ignore[misc]
    def compute_forward(self, batch: tuple[Tensor, ...], stage: Any) -> Tensor:  # noqa: ARG002
        return torch.log_softmax(self.modules.output(self.modules.network(batch[0])), 2)

    def compute_objectives(self, predictions: Tensor, batch: tuple[Tensor, ...], stage: Any) -> Tensor:  # noqa: ARG002
        return ctc_loss(predictions, batch[2], batch[1], batch[3], blank_index=0)


def network_of(name: str, shape: tuple[int, ...]) -> nn.Module:
    if name == "crdnn":
        return CRDNN(
            input_shape=shape, cnn_blocks=1, cnn_channels=[16], rnn_class=GRU, rnn_layers=2, rnn_neurons=76,
            dnn_blocks=1, dnn_neurons=128, inter_layer_pooling_size=[2],
        )  # fmt: skip
    layers = Sequential(input_shape=shape)
    layers.append(Linear, n_neurons=128)
    layers.append(LayerNorm)
    layers.append(Conv1d, out_channels=128, kernel_size=5)
    layers.append(nn.LeakyReLU())
    layers.append(GRU, hidden_size=128, num_layers=2, bidirectional=True, dropout=0.1)
    return layers


def read(file: Path) -> list[tuple[Tensor, ...]]:
    """Frames, relative lengths, targets, relative lengths of targets."""
    arrays = np.load(file)
    batches: list[tuple[Tensor, ...]] = []
    for number in range(int(arrays["batches"])):
        frames, lengths, targets, sizes = (torch.from_numpy(arrays[f"{part}{number}"]) for part in "flts")
        batches.append((frames, lengths / frames.shape[1], targets, sizes / targets.shape[1]))
    return batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("batches", type=Path)
    parser.add_argument("network", choices=["layers", "crdnn"])
    parser.add_argument("--vocab-size", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    batches = read(options.batches)
    network = network_of(options.network, tuple(batches[0][0].shape))
    size = network(batches[0][0]).shape[-1]
    modules = {"network": network, "output": Linear(input_size=size, n_neurons=options.vocab_size)}
    brain = Recogniser(modules, lambda weights: torch.optim.AdamW(weights, 2e-3), run_opts={"device": "cpu"})
    brain.on_fit_start()
    brain.modules.train()
    losses, started = [], 0.0
    for number, batch in enumerate(batches):
        if number == WARM_UP:
            started = time.process_time()
        losses.append(float(brain.fit_batch(batch)))
    updates = len(batches) - WARM_UP
    seconds = (time.process_time() - started) / updates
    parameters = sum(weights.numel() for weights in brain.modules.parameters())
    print(json.dumps({"seconds_an_update": seconds, "parameters": parameters, "losses": [losses[0], losses[-1]]}))


if __name__ == "__main__":
    main()
