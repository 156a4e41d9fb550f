"""What the literature shows of memory: a plain RNN fails where gradients vanish, gates do not, chrono reaches further.

`pytest -m slow -s tests/learning` prints the figure of every cell. Learning stops once a cell has learned; those that
do not learn get all the updates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from seqloom.nn.layer import layers
from tests.support.memory_tasks import DIGITS, Batch, adding_problem, digits, temporal_order

pytestmark = pytest.mark.slow

HIDDEN = 64
ADDING_STEPS, ORDER_STEPS, DIGIT_STEPS = 200, 100, 64


@dataclass(frozen=True)
class Contestant:
    """A layer by its name, what of its settings is not as it comes, and the learning rate that suits it."""

    layer: str
    option: tuple[str, float | str] | None = None
    rate: float = 3e-3

    def __str__(self) -> str:
        return self.layer if self.option is None else f"{self.layer} {self.option[0]}={self.option[1]}"


class Learned(NamedTuple):
    figure: float
    updates: int
    seconds: float


class Network(nn.Module):
    """One layer, and a linear one that reads its last output."""

    def __init__(self, contestant: Contestant, input_size: int, output_size: int) -> None:
        super().__init__()
        kind, own = layers[contestant.layer], dict([contestant.option] if contestant.option else [])
        self.layer = kind(input_size, kind.settings(hidden_size=HIDDEN, num_layers=1, **own))  # type: ignore[call-arg]
        self.read = nn.Linear(HIDDEN, output_size)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs, _ = self.layer(inputs)
        return self.read(outputs[:, -1])


@pytest.fixture(autouse=True)
def _no_denormals() -> None:
    # What fades away in a plain RNN would make it many times slower.
    torch.set_flush_denormal(True)


def learn(
    contestant: Contestant,
    sizes: tuple[int, int],
    draw: Callable[[Generator], Batch],
    loss: Callable[[Tensor, Tensor], Tensor],
    figure: Callable[[Network, int], float],
    *,
    updates: int,
    every: int = 0,
    enough: Callable[[float], bool] = lambda _: False,
    fade: bool = False,
) -> Learned:
    """The figure on unseen data after at most `updates` of Adam. `figure` takes a network and a seed: what decides,
    `every` so many updates, that it is `enough` is not what is reported. `fade`: the rate falls to zero in a line."""
    torch.manual_seed(0)
    network, generator, begun = Network(contestant, *sizes), torch.Generator().manual_seed(1), time.perf_counter()
    optimizer = torch.optim.Adam(network.parameters(), contestant.rate)
    for update in range(1, updates + 1):
        if fade:
            optimizer.param_groups[0]["lr"] = contestant.rate * (1 - (update - 1) / updates)
        inputs, targets = draw(generator)
        optimizer.zero_grad()
        loss(network(inputs), targets).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if every and update % every == 0 and enough(figure(network, 2)):
            break
    return Learned(figure(network, 3), update, time.perf_counter() - begun)


@torch.no_grad()
def accuracy(network: Network, inputs: Tensor, labels: Tensor) -> float:
    return (network(inputs).argmax(dim=1) == labels).float().mean().item()


@cache  # two tests look at the same runs
def adding(contestant: Contestant) -> Learned:
    """The mean squared error on 1,000 fresh sequences."""

    @torch.no_grad()
    def error(network: Network, seed: int) -> float:
        inputs, targets = adding_problem(1000, ADDING_STEPS, torch.Generator().manual_seed(seed))
        return F.mse_loss(network(inputs), targets).item()

    draw = partial(adding_problem, 50, ADDING_STEPS)
    return learn(
        contestant, (2, 1), draw, F.mse_loss, error, updates=1500, every=250, enough=lambda error: error < 0.005
    )


@cache
def ordering(contestant: Contestant) -> Learned:
    """The accuracy on 1,000 fresh sequences."""

    def right(network: Network, seed: int) -> float:
        return accuracy(network, *temporal_order(1000, ORDER_STEPS, torch.Generator().manual_seed(seed)))

    draw = partial(temporal_order, 32, ORDER_STEPS)
    return learn(
        contestant, (8, 4), draw, F.cross_entropy, right, updates=800, every=100, enough=lambda share: share > 0.99
    )


def compare(title: str, run: Callable[[Contestant], Learned], *contestants: Contestant) -> Iterator[float]:
    """The figures, printed as they come."""
    print(f"\n{title}\n{'':24} {'figure':>8} {'updates':>8} {'seconds':>8}")
    for contestant in contestants:
        learned = run(contestant)
        print(f"{contestant!s:24} {learned.figure:8.4f} {learned.updates:8} {learned.seconds:8.1f}", flush=True)
        yield learned.figure


RNN, GRU, LSTM = Contestant("rnn"), Contestant("gru"), Contestant("lstm")
IRNN = Contestant("rnn", ("activation", "relu"), rate=1e-3)


def chrono(layer: str, steps: int) -> Contestant:
    return Contestant(layer, ("time_scale", steps))


def test_gates_add_numbers_far_apart_and_a_plain_rnn_does_not() -> None:
    """The LSTM with chrono initialisation; with a forget bias of 1 it needs more updates, see below."""
    cells = RNN, GRU, chrono("lstm", ADDING_STEPS)
    rnn, gru, lstm = compare(f"adding problem, {ADDING_STEPS} steps, mean squared error", adding, *cells)
    assert rnn > 0.1
    assert gru < 0.01
    assert lstm < 0.01


def test_gates_keep_the_order_of_two_symbols_and_a_plain_rnn_does_not() -> None:
    cells = RNN, LSTM, chrono("lstm", ORDER_STEPS), chrono("gru", ORDER_STEPS), chrono("mingru", ORDER_STEPS), IRNN
    title = f"temporal order, {ORDER_STEPS} steps, accuracy"
    rnn, *gated, _ = compare(title, ordering, *cells)
    assert rnn < 0.5
    assert min(gated) >= 0.95


def test_chrono_initialisation_reaches_further() -> None:
    """In the same updates; on the adding problem as Tallec and Ollivier 2018 do, and where the GRU's gates start."""
    cells = chrono("lstm", ADDING_STEPS), LSTM
    with_scale, without = compare(f"adding problem, {ADDING_STEPS} steps, mean squared error", adding, *cells)
    assert with_scale < 0.01
    assert without > 0.1
    cells = chrono("gru", ORDER_STEPS), GRU
    with_scale, without = compare(f"temporal order, {ORDER_STEPS} steps, accuracy", ordering, *cells)
    assert with_scale >= 0.95
    assert without < 0.5


@pytest.mark.skipif(not DIGITS.exists(), reason=f"the handwritten digits are not here: {DIGITS}")
def test_gates_read_digits_a_pixel_at_a_time() -> None:
    """A plain RNN reads 64 pixels too: what is shown is that the gated cells learn, not that it fails."""
    (pixels, labels), held_out = digits()

    def draw(generator: Generator) -> Batch:
        rows = torch.randint(0, len(pixels), (32,), generator=generator)
        return pixels[rows], labels[rows]

    def read(contestant: Contestant) -> Learned:
        return learn(
            contestant,
            (1, 10),
            draw,
            F.cross_entropy,
            lambda network, _: accuracy(network, *held_out),
            updates=2000,
            fade=True,
        )

    gated = [Contestant(name, rate=1e-2) for name in ("gru", "lstm", "mingru")]
    cells = *gated, Contestant("rnn", rate=1e-3), IRNN
    gru, lstm, *_ = compare(f"{DIGIT_STEPS} pixels of handwritten digits, accuracy", read, *cells)
    assert max(gru, lstm) >= 0.95
