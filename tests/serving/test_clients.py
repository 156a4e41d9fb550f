"""OpenAI's client, unmodified, and what a server does with clients that leave, wait or come in crowds."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest

from seqloom.run import Run
from seqloom.serving.hosted_run import HostedRun
from seqloom.serving.limits import Limits
from seqloom.serving.response_error import ResponseError
from seqloom.serving.worker import Step, Worker
from tests.support.served import serving


def test_the_client_of_openai_gets_what_it_expects(address: str, runs: dict[str, Run]) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any")
    assert {model.id for model in client.models.list()} == set(runs)
    whole = client.completions.create(model="lstm", prompt="the", max_tokens=8, seed=5, logprobs=1, n=2)
    assert [choice.index for choice in whole.choices] == [0, 1]
    parts = client.completions.create(
        model="lstm", prompt="the", max_tokens=8, seed=5, stream=True, stream_options={"include_usage": True}
    )
    text = ""
    for part in parts:
        text += part.choices[0].text if part.choices else ""
        usage = part.usage
    assert text == whole.choices[0].text
    assert usage.completion_tokens <= 8
    echoed = client.completions.create(model="lstm", prompt="the cat", max_tokens=0, echo=True, logprobs=0)
    tokens = [token.log_prob for token in runs["lstm"].score_tokens(["the cat"])[0]]
    np.testing.assert_allclose(echoed.choices[0].logprobs.token_logprobs, tokens[:-1], atol=1e-5)
    vectors = client.embeddings.create(model="lstm", input=["a cat"]).data  # which asks for base64
    np.testing.assert_allclose(vectors[0].embedding, runs["lstm"].embed(["a cat"])[0], rtol=1e-6)
    with pytest.raises(openai.NotFoundError, match="there is no model"):
        client.completions.create(model="none", prompt="a")


def test_a_key_is_asked_for(runs: dict[str, Run]) -> None:
    with serving([HostedRun("words", runs["words"])], key="secret") as address:
        assert httpx.get(f"{address}/v1/models").status_code == 401
        assert httpx.get(f"{address}/v1/models", headers={"authorization": "Bearer secret"}).status_code == 200
        assert httpx.get(f"{address}/v1/models", headers={"authorization": "Bearer sécret".encode()}).status_code == 401
        assert httpx.get(address).status_code == 200
        assert httpx.get(f"{address}/metrics").status_code == 401


class _Slow(HostedRun):
    """A classifier that takes its time, and counts what it answered."""

    seconds, answered = 0.2, 0

    def answers(self, inputs: Sequence[Any], options: Any) -> Iterator[list[dict[str, Any]]]:  # noqa: ARG002
        for _ in inputs:
            time.sleep(self.seconds)
            type(self).answered += 1
            yield [{"label": "a", "probability": 1.0}]


def test_work_that_takes_too_long_is_ended(runs: dict[str, Run]) -> None:
    with serving([_Slow("slow", runs["bag"])], Limits(seconds=0.5)) as address:
        response = httpx.post(f"{address}/v1/classify", json={"input": ["a"] * 100}, timeout=10)
        assert response.status_code == 504
        time.sleep(0.5)
        answered = _Slow.answered
        assert answered < 20
        time.sleep(0.5)
        assert _Slow.answered == answered


def test_work_ends_when_the_client_has_gone(runs: dict[str, Run]) -> None:
    with serving([_Slow("slow", runs["bag"])]) as address:
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{address}/v1/classify", json={"input": ["a"] * 200}, timeout=0.5)
        time.sleep(0.5)
        answered = _Slow.answered
        time.sleep(0.6)
        assert _Slow.answered == answered


def test_a_crowd_is_told_to_wait(runs: dict[str, Run]) -> None:
    with serving([_Slow("slow", runs["bag"])], Limits(waiting=2, items=1)) as address:
        statuses: list[int] = []

        def ask() -> None:
            response = httpx.post(f"{address}/v1/classify", json={"input": "a"}, timeout=20)
            statuses.append(response.status_code)
            if response.status_code == 503:
                assert response.headers["retry-after"] == "1"

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200, 503}


def test_no_request_is_lost_while_a_batch_is_taken() -> None:
    """The second request comes when the worker takes the first from the row."""
    worker, results = Worker(10, 8), []

    def ask(number: int) -> None:
        async def answer() -> list[Any]:
            return await asyncio.wait_for(worker.answers("key", iter, [number]), timeout=10)

        results.append(asyncio.run(answer()))

    clients = [threading.Thread(target=ask, args=(number,)) for number in (1, 2)]
    clients[0].start()
    while not worker.load:
        time.sleep(0.01)
    with worker._wakes:
        clients[1].start()
        time.sleep(0.3)  # until it waits for the lock
        first = worker._next_batch()
    worker._answer(first)
    worker.start()
    for client in clients:
        client.join()
    worker.stop()
    assert sorted(results) == [[1], [2]]


def test_models_are_asked_everything_before_people_ask(runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """What compiles kernels or loads vectors is done when the server says that it is ready."""
    called: set[str] = set()
    for name in ("answers", "embed", "forecast", "memory", "score_pairs"):
        method = getattr(HostedRun, name)

        def noted(self: HostedRun, *arguments: Any, name: str = name, method: Any = method) -> Any:
            called.add(f"{self.name} {name}")
            return method(self, *arguments)

        monkeypatch.setattr(HostedRun, name, noted)
    for name, run in runs.items():
        model = HostedRun(name, run)
        model.warm_up()
        assert ("tokens" in vars(model)) == ("next" in model.abilities)
        assert ("vectors" in vars(model)) == ("nearest" in model.abilities)
    assert called >= {
        "translator answers", "translator score_pairs", "classifier answers", "tagger answers", "listener answers",
        "forecaster forecast", "machine memory", "lstm embed",
    }  # fmt: skip


def test_requests_are_answered_together_and_each_gets_its_own() -> None:
    sizes: list[int] = []

    def answer(items: Sequence[int]) -> Iterator[int]:
        time.sleep(0.05)
        if 7 in items:
            raise ResponseError(422, "no sevens")
        yield from (item * 10 for item in items)

    async def ask() -> list[Any]:
        worker = Worker(100, 100)
        worker.batch_sizes = sizes.append
        worker.start()
        asked = [worker.answers("key", answer, [number, number + 100]) for number in range(10)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        worker.stop()
        return results

    results = asyncio.run(ask())
    assert isinstance(results[7], ResponseError)
    assert [result for place, result in enumerate(results) if place != 7] == [
        [10 * number, 10 * number + 1_000] for number in range(10) if number != 7
    ]
    assert max(sizes) > 1


def test_streams_step_together() -> None:
    batches: list[list[tuple[str, int]]] = []

    def double(items: Sequence[tuple[str, int]]) -> list[int]:
        batches.append(list(items))
        return [2 * number for _, number in items]

    def events(name: str) -> Generator[Any, Any, None]:
        for number in range(20):
            yield (yield Step("double", double, (name, number)))

    async def ask() -> list[list[int]]:
        worker = Worker(100, 100)

        async def read(name: str) -> list[int]:
            return [event async for event in worker.stream([events(name)])]

        readers = [asyncio.create_task(read(name)) for name in "ab"]
        await asyncio.sleep(0)
        worker.start()
        read_events = await asyncio.gather(*readers)
        worker.stop()
        return read_events

    assert asyncio.run(ask()) == [list(range(0, 40, 2))] * 2
    assert batches == [[(name, number) for name in "ab"] for number in range(20)]


def test_an_error_in_a_step_is_of_its_stream_alone() -> None:
    def divide(items: Sequence[int]) -> list[int]:
        return [12 // item for item in items]

    def events(number: int) -> Generator[Any, Any, None]:
        yield (yield Step("divide", divide, number))

    async def ask() -> list[Any]:
        worker = Worker(100, 100)

        async def read(number: int) -> list[int]:
            return [event async for event in worker.stream([events(number)])]

        readers = [asyncio.create_task(read(number)) for number in (3, 0, 4)]
        await asyncio.sleep(0)
        worker.start()
        read_events = await asyncio.gather(*readers, return_exceptions=True)
        worker.stop()
        return read_events

    first, failed, last = asyncio.run(ask())
    assert (first, last) == ([4], [3])
    assert isinstance(failed, ZeroDivisionError)


def test_an_error_in_a_part_ends_its_stream_alone() -> None:
    """The other parts of the stream may end in the same round."""

    def failing() -> Generator[Any, Any, None]:
        raise ZeroDivisionError
        yield

    def ending() -> Generator[Any, Any, None]:
        yield 1

    async def ask() -> list[Any]:
        worker = Worker(100, 100)

        async def read(*parts: Generator[Any, Any, None]) -> list[int]:
            return [event async for event in worker.stream(parts)]

        worker.start()
        async with asyncio.timeout(10):
            together = asyncio.gather(read(failing(), ending()), read(ending()), return_exceptions=True)
            read_events = [*await together, await read(ending())]
        worker.stop()
        return read_events

    failed, *others = asyncio.run(ask())
    assert isinstance(failed, ZeroDivisionError)
    assert others == [[1], [1]]
