"""What may be drawn, with which probability; the same seed draws the same."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqloom.decoding.sampling import Sampling, generate
from seqloom.errors import RequestError
from seqloom.nn.layer import State

# Thousandths, so that no denormal number is asked of a process in which training flushes them.
LOG_PROBS = st.lists(st.integers(-40_000, 0), min_size=2, max_size=30)


def distribution(sampling: Sampling, log_probs: Tensor) -> Tensor:
    return torch.from_numpy(sampling.distribution(log_probs.numpy())).float()


def log_probs_of(thousandths: list[int]) -> Tensor:
    return torch.tensor([t / 1000 for t in thousandths]).log_softmax(0)


@given(LOG_PROBS, st.integers(0, 3_000), st.integers(0, 40), st.integers(1, 100))
def test_a_distribution(thousandths: list[int], temperature: int, top_k: int, top_p: int) -> None:
    log_probs = log_probs_of(thousandths)
    probs = distribution(Sampling(temperature / 1000, top_k, top_p / 100), log_probs)
    assert bool((probs >= 0).all())
    assert float(probs.sum()) == pytest.approx(1, abs=1e-5)
    assert probs[log_probs.argmax()] == probs.max() > 0
    drawn = probs > 0
    assert not top_k or int(drawn.sum()) <= top_k
    # What is kept is more probable than what is not, and keeps its proportions.
    if not bool(drawn.all()):
        assert (
            log_probs[drawn].min() >= log_probs[~drawn & (log_probs > -30)].max()
            if (~drawn & (log_probs > -30)).any()
            else True
        )


@given(LOG_PROBS, st.integers(1, 99))
def test_top_p_keeps_the_fewest_that_hold_it(thousandths: list[int], percent: int) -> None:
    log_probs = log_probs_of(thousandths)
    kept = distribution(Sampling(top_p=percent / 100), log_probs) > 0
    mass = log_probs.exp()
    assert float(mass[kept].sum()) >= percent / 100 - 1e-5
    assert float(mass[kept].sum() - mass[kept].min()) < percent / 100 + 1e-5


@given(LOG_PROBS)
def test_ways_to_be_greedy(thousandths: list[int]) -> None:
    log_probs = log_probs_of(thousandths)
    greedy = distribution(Sampling(temperature=0), log_probs)
    assert int(greedy.argmax()) == int(log_probs.argmax())
    assert float(greedy.max()) == 1
    best = int(log_probs.argmax())
    for sampling in (Sampling(top_k=1), Sampling(top_p=1e-9), Sampling(temperature=1e-30)):
        assert float(distribution(sampling, log_probs)[best]) == 1


@given(LOG_PROBS)
def test_temperature_one_is_the_model(thousandths: list[int]) -> None:
    log_probs = log_probs_of(thousandths)
    torch.testing.assert_close(distribution(Sampling(), log_probs), log_probs.exp(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [{"temperature": -0.1}, {"temperature": math.nan}, {"temperature": math.inf}, {"top_k": -1}]
    + [{"top_p": value} for value in (0, -1, 1.1, math.nan)],
)
def test_what_is_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(RequestError, match="out of range") as refused:
        Sampling(**values)  # type: ignore[arg-type]
    assert refused.value.expected
    assert next(iter(values)) in str(refused.value)


class Counter:
    """Says that token n + 1 follows token n, and 9 is next best; counts how often it was asked."""

    def initial_state(self, batch_size: int) -> State:
        return (torch.zeros(batch_size, 1),)

    def next_log_probs(self, token_ids: Tensor, state: State) -> tuple[Tensor, State]:
        log_probs = torch.full((1, 10), -20.0)
        log_probs[0, 9] = -2.0
        log_probs[0, (token_ids[0, -1] + 1) % 10] = -0.1
        return log_probs.log_softmax(1), (state[0] + token_ids.shape[1],)

    def log_prob(
        self, token_ids: Tensor, targets: Tensor, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        raise NotImplementedError


def first(count: int, **options: object) -> list[int]:
    chosen = {"sampling": Sampling(temperature=0), "never": [0, 1], "seed": 1, **options}
    return list(itertools.islice(generate(Counter(), [2, 3], **chosen), count))  # type: ignore[arg-type]


def test_greedy_follows_the_model() -> None:
    assert first(5) == [4, 5, 6, 7, 8]


def test_what_is_never_drawn_is_not_drawn() -> None:
    assert first(4, never=[0, 1, 5]) == [4, 9, 9, 9]
    assert 5 not in first(300, never=[0, 1, 5], sampling=Sampling(temperature=50.0))


def test_the_seed_decides() -> None:
    hot = Sampling(temperature=30.0)
    draws = [first(40, sampling=hot, seed=seed) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
