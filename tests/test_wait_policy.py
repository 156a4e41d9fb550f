"""Threads that wait for each other sleep beside other programs, which changes no bit of a training."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from seqloom import processors
from seqloom.config import build
from seqloom.errors import SeqloomWarning
from seqloom.nn.layer import layers
from seqloom.processors import WaitPolicy, set_num_threads

HAS_SCHEDSTAT = Path("/proc/self/schedstat").exists()
linux = pytest.mark.skipif(not HAS_SCHEDSTAT, reason="the system does not tell how long threads wait for a processor")


@pytest.fixture(autouse=True)
def _own_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(variable, raising=False)
    yield
    torch.set_num_threads(1)
    set_num_threads(1)


class Machine:
    """A clock that moves by a second with each look, and the shares of processor time of the next windows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.share = 0.0, 1.0
        monkeypatch.setattr(processors.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(processors.ProcessorShare, "share", lambda _, threads: self.share)  # noqa: ARG005

    def policy_after(self, policy: WaitPolicy, share: float, seconds: int) -> bool:
        self.share = share
        for _ in range(seconds):
            self.now += 1.0
            policy.adapt()
        return policy.passive


@linux
def test_it_sleeps_on_a_busy_machine_and_spins_on_a_quiet_one(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, policy = Machine(monkeypatch), WaitPolicy(2)
    monkeypatch.setattr(processors, "_uses_gnu_openmp", lambda: True)
    assert not machine.policy_after(policy, 0.99, 3)
    with pytest.warns(SeqloomWarning, match="other programs use the processors") as said:
        assert machine.policy_after(policy, 0.5, 1)
    assert machine.policy_after(policy, 0.6, 10)
    assert machine.policy_after(policy, 0.9, 10)
    assert machine.policy_after(policy, 0.99, 3)
    assert not machine.policy_after(policy, 0.99, 1)
    assert len(said) == 1
    with pytest.warns(SeqloomWarning):
        assert machine.policy_after(policy, 0.5, 1)
    assert machine.policy_after(policy, 0.99, 7)  # twice as long after a relapse
    assert not machine.policy_after(policy, 0.99, 1)


@linux
@pytest.mark.parametrize("reason", ["one thread", "another library", "the user decides"])
def test_it_leaves_alone(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason == "the user decides":
        monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setattr(processors, "_uses_gnu_openmp", lambda: reason != "another library")
    machine, policy = Machine(monkeypatch), WaitPolicy(1 if reason == "one thread" else 2)
    assert not machine.policy_after(policy, 0.3, 5)


WAIT = """
import threading, time, torch
from seqloom.nn.layer import layers
from seqloom.processors import WaitPolicy, _uses_gnu_openmp

def seconds_of_the_other_thread(loops=60):
    before = time.process_time() - time.thread_time()
    for _ in range(loops):
        numbers.add_(1)  # a parallel loop
        time.sleep(0.004)
    return time.process_time() - time.thread_time() - before

torch.set_num_threads(2)
numbers, policy = torch.zeros(1 << 20), WaitPolicy(2)
result = [_uses_gnu_openmp(), seconds_of_the_other_thread()]
policy._sleep()
time.sleep(0.2)
result += [threading.active_count(), seconds_of_the_other_thread()]
policy.spin()
time.sleep(0.2)
print([*result, threading.active_count(), seconds_of_the_other_thread()])
"""


@linux
def test_threads_that_sleep_take_no_processor_time() -> None:
    """Processor time, which does not depend on what else the machine does."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WAIT], capture_output=True, text=True, check=True, timeout=120
    )
    is_gnu, spinning, *more = json.loads(done.stdout.lower())
    if not is_gnu:
        pytest.skip("torch has another library of OpenMP here")
    threads, sleeping, threads_after, spinning_again = more
    assert threads > threads_after == 1
    assert sleeping < spinning / 4
    assert sleeping < spinning_again / 4


@linux
@pytest.mark.parametrize("name", ["gru", "lstm", "transformer"])
def test_no_bit_depends_on_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_uses_gnu_openmp", lambda: True)
    torch.set_num_threads(2)
    size = {"model_dim": 64} if name == "transformer" else {"hidden_size": 64}
    layer, inputs = layers[name](64, build(layers[name].settings, {**size, "dropout": 0.0})), torch.randn(32, 4, 64)

    def gradients() -> list[torch.Tensor]:
        layer.zero_grad()
        outputs, _ = layer(inputs)
        outputs.square().sum().backward()
        return [outputs.detach(), *(p.grad.clone() for p in layer.parameters() if p.grad is not None)]

    policy, spinning = WaitPolicy(2), gradients()
    with pytest.warns(SeqloomWarning):
        policy._sleep()
    sleeping = gradients()
    policy.spin()
    assert len(spinning) > 2
    for before, between, after in zip(spinning, sleeping, gradients(), strict=True):
        assert torch.equal(before, between)
        assert torch.equal(before, after)
