"""One thread that works on all requests: small batches of what can be answered together, streams step by step.

The models use all processor threads for one batch, so that a second batch beside it would slow both down. Requests that
arrive while a batch is computed make the next one; streams get a step each between batches, so that a long text does
not hold up a short question. The steps of all streams are computed together where they can be.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seqloom.serving.response_error import ResponseError

_GATHER_SECONDS = 0.005
"""For how long a batch waits until there are as many requests as the one before it had."""

_STREAM_EVENTS_WAITING = 256
"""Events that a slow client may leave unread before its stream waits."""

Answer = Callable[[Sequence[Any]], Iterator[Any]]
"""Yields a result for each of some items, in order."""


@dataclass(eq=False)
class _Job:
    """What one request waits for. `is_cancelled` is set when nobody waits any more."""

    loop: asyncio.AbstractEventLoop
    is_cancelled: bool = field(default=False, init=False)

    def tell(self, function: Callable[..., None], *arguments: Any) -> None:
        """Calls a function in the event loop of the server, unless that has ended."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *arguments)


@dataclass(eq=False)
class _BatchJob(_Job):
    """Items that `answer` answers, together with those of other jobs of the same `key`."""

    key: Hashable
    answer: Answer
    items: Sequence[Any]

    def __post_init__(self) -> None:
        self.result: asyncio.Future[list[Any]] = self.loop.create_future()

    def finish(self, results: list[Any]) -> None:
        self.tell(lambda: None if self.result.done() else self.result.set_result(results))

    def fail(self, error: BaseException) -> None:
        self.tell(lambda: None if self.result.done() else self.result.set_exception(error))


_END = object()


class Step(NamedTuple):
    """Work that a stream yields, to be sent its result. `answer` gives a result for each of some items, those of the
    steps of several streams that have equal keys."""

    key: Hashable
    answer: Callable[[Sequence[Any]], Sequence[Any]]
    item: Any


Events = Generator[Any, Any, None]
"""Yields events, and the steps on which they depend."""


@dataclass(eq=False)
class _Part:
    """A part of a stream, with what it is sent next: the result of its last step."""

    events: Events
    result: Any = None


@dataclass(eq=False)
class _StreamJob(_Job):
    """Events that come one after the other, in parts that run side by side."""

    parts: list[_Part]
    waiting: asyncio.Queue[Any] = field(default_factory=asyncio.Queue, init=False)
    unread: int = field(default=0, init=False)
    """Events given and not yet taken; written by both threads, each of which only needs it to be nearly right."""

    def put(self, event: Any) -> None:
        self.unread += 1
        self.tell(self.waiting.put_nowait, event)

    def fail(self, error: BaseException) -> None:
        self.put(error)
        self.parts.clear()


class Worker:
    """`waiting`: jobs beside which no other is accepted. `items`: the most in a batch."""

    def __init__(self, waiting: int, items: int) -> None:
        self._most, self._items = waiting, items
        self._batches: deque[_BatchJob] = deque()
        self._streams: deque[_StreamJob] = deque()
        self._wakes = threading.Condition()
        self._stops = False
        self._last = 0
        self.batch_sizes: Callable[[int], None] = lambda _: None
        """Is told of the number of requests of each batch."""
        self._thread = threading.Thread(target=self._work, name="seqloom-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Ends the thread after the step that it is at; streams end where they are."""
        with self._wakes:
            self._stops = True
            self._wakes.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def load(self) -> int:
        """The jobs that wait or are worked on."""
        return len(self._batches) + len(self._streams)

    async def answers(self, key: Hashable, answer: Answer, items: Sequence[Any]) -> list[Any]:
        """The result for each item. Items of jobs with equal keys are answered together."""
        job = _BatchJob(asyncio.get_running_loop(), key, answer, items)
        self._add(job, self._batches)
        try:
            return await job.result
        finally:
            job.is_cancelled = True

    async def stream(self, parts: Sequence[Events]) -> AsyncGenerator[Any, None]:
        """Yields the events of all parts as they come; the work on them ends when the caller stops."""
        job = _StreamJob(asyncio.get_running_loop(), [_Part(events) for events in parts])
        self._add(job, self._streams)
        try:
            while (event := await job.waiting.get()) is not _END:
                job.unread -= 1
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            job.is_cancelled = True

    def check_room(self) -> None:
        """Raises the ResponseError of a request beyond those that may wait."""
        if self.load >= self._most or self._stops:
            raise ResponseError(503, f"too many requests wait: {self.load}; try again in a second")

    def _add(self, job: Any, jobs: deque[Any]) -> None:
        with self._wakes:
            self.check_room()
            jobs.append(job)
            self._wakes.notify()

    def _work(self) -> None:
        while True:
            with self._wakes:
                while not (self._batches or self._streams or self._stops):
                    self._wakes.wait()
                if self._stops:
                    break
                jobs = self._next_batch()
            if jobs:
                self._answer(jobs)
            self._step_streams()
            if not jobs and self._streams and all(job.unread >= _STREAM_EVENTS_WAITING for job in self._streams):
                time.sleep(0.01)  # every stream waits for its reader
            jobs.clear()  # they hold their model, which may be replaced while no request comes
        for stream in self._streams:
            stream.put(_END)
        for job in self._batches:
            job.fail(ResponseError(503, "the server stops"))

    def _next_batch(self) -> list[_BatchJob]:
        """The job that came first and those that can be answered with it."""
        if not self._batches:
            return []
        end = time.monotonic() + _GATHER_SECONDS
        while len(self._batches) < self._last and not self._streams and (left := end - time.monotonic()) > 0:
            self._wakes.wait(left)
        jobs: list[_BatchJob] = []
        size = 0
        for _ in range(len(self._batches)):
            job = self._batches.popleft()
            if not jobs or (job.key == jobs[0].key and size + len(job.items) <= self._items):
                jobs.append(job)
                size += len(job.items)
            else:
                self._batches.append(job)
        self._last = len(jobs)
        return jobs

    def _answer(self, jobs: list[_BatchJob]) -> None:
        jobs = [job for job in jobs if not job.is_cancelled]
        if not jobs:
            return
        self.batch_sizes(len(jobs))
        try:
            results = []
            for result in jobs[0].answer([item for job in jobs for item in job.items]):
                results.append(result)
                if all(job.is_cancelled for job in jobs):
                    return
        except Exception as error:  # whatever it is, it is of a request and must not end the thread
            if len(jobs) == 1:
                jobs[0].fail(error)
            else:  # it is of one of them: the others are answered
                for job in jobs:
                    self._answer([job])
            return
        place = 0
        for job in jobs:
            job.finish(results[place : place + len(job.items)])
            place += len(job.items)

    def _step_streams(self) -> None:
        """Takes every stream to its next step, and does those steps."""
        steps: list[tuple[_StreamJob, _Part, Step]] = []
        for _ in range(len(self._streams)):
            job = self._streams.popleft()
            if job.is_cancelled:
                continue
            if job.unread < _STREAM_EVENTS_WAITING:
                steps += [
                    (job, part, step)
                    for part in list(job.parts)
                    if job.parts and (step := _next_step(job, part)) is not None  # without parts it has failed
                ]
                if not job.parts:
                    job.put(_END)
                    continue
            self._streams.append(job)
        together: dict[Hashable, list[tuple[_StreamJob, _Part, Step]]] = {}
        for entry in steps:
            together.setdefault(entry[2].key, []).append(entry)
        for group in together.values():
            _do(group)


def _next_step(job: _StreamJob, part: _Part) -> Step | None:
    """Gives out the events of a part until its next step; None where it has ended, or its reader is slow."""
    try:
        while job.unread < _STREAM_EVENTS_WAITING:
            event = part.events.send(part.result)
            part.result = None
            if isinstance(event, Step):
                return event
            job.put(event)
    except StopIteration:
        job.parts.remove(part)
    except Exception as error:
        job.fail(error)
    return None


def _do(group: Sequence[tuple[_StreamJob, _Part, Step]]) -> None:
    """Does steps together, or one by one where that fails, since the error is of one of them."""
    try:
        results = group[0][2].answer([step.item for _, _, step in group])
    except Exception as error:
        if len(group) > 1:
            for entry in group:
                _do([entry])
            return
        group[0][0].fail(error)
        return
    for (_, part, _), result in zip(group, results, strict=True):
        part.result = result
