"""What a server counts and times, in Prometheus's form. Labels are of a fixed set, so that memory stays flat."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Measured:
    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "seqloom_requests", "Requests by path and status.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "seqloom_request_seconds", "Seconds until a request was answered.", ["path"], registry=self._registry,
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
        )  # fmt: skip
        self.batch_sizes = Histogram(
            "seqloom_batch_requests", "Requests that were answered together.", registry=self._registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
        )  # fmt: skip
        self.waiting = Gauge(
            "seqloom_waiting_requests", "Requests that wait or are worked on.", registry=self._registry
        )

    def request(self, path: str, status: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)
