"""Processor seconds of 400 single steps of a language model, once for each line of input: by Seqloom itself, or by the
runtime of exported models without torch.

    python benchmarks/peers/step_timer.py seqloom RUN
    python benchmarks/peers/step_timer.py portable|sequences|weights FOLDER

`sequences` takes the graph for any number of tokens instead of the one for a single token; `weights` only multiplies
all weights by a vector, which a step cannot avoid.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 400


def token_ids(vocab_size: int) -> Iterator[int]:
    return iter(np.random.default_rng(1).integers(4, vocab_size, STEPS).tolist())


def seqloom_steps(folder: str) -> Callable[[], None]:
    import torch

    import seqloom

    run = seqloom.load(folder, device="cpu", threads=1)

    @torch.inference_mode()
    def steps() -> None:
        state = run.model.initial_state(1)
        for token in token_ids(run.codec.tokenizer.vocab_size):
            _, state = run.model.next_log_probs(torch.tensor([[token]]), state)

    return steps


def portable_steps(folder: str) -> Callable[[], None]:
    import seqloom_portable

    portable: Any = seqloom_portable.load(folder)
    return _steps(portable, portable.next_log_probs)


def sequence_graph_steps(folder: str) -> Callable[[], None]:
    import seqloom_portable

    portable: Any = seqloom_portable.load(folder)
    lengths = np.ones(1, np.int64)
    return _steps(portable, lambda token, state: portable.engine(token_ids=token, lengths=lengths, **state))


def _steps(portable: Any, step: Callable[[NDArray[np.int64], Any], tuple[Any, Any]]) -> Callable[[], None]:
    def steps() -> None:
        state = portable.first_state(1)
        for token in token_ids(portable.tokenizer.vocab_size):
            _, state = step(np.array([[token]]), state)

    return steps


def weight_passes(folder: str) -> Callable[[], None]:
    weights = np.fromfile(Path(folder) / "weights.bin", np.float32)
    columns = 512
    matrix, vector = weights[: len(weights) // columns * columns].reshape(-1, columns), np.ones(columns, np.float32)

    def passes() -> None:
        for _ in range(STEPS):
            matrix @ vector

    return passes


ENGINES = {
    "seqloom": seqloom_steps,
    "portable": portable_steps,
    "sequences": sequence_graph_steps,
    "weights": weight_passes,
}


def main(engine: str, folder: str) -> None:
    steps = ENGINES[engine](folder)
    for _ in sys.stdin:
        started = time.process_time()
        steps()
        print(time.process_time() - started, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
