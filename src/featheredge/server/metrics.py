"""Prometheus metrics of the server."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from featheredge.server.bodies import Bodies
from featheredge.server.pictures import Steps
from featheredge.server.workers import Workers

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What the server counts. Every app has its own registry, so that several fit in a process."""

    def __init__(self, workers: Workers, bodies: Bodies) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "featheredge_requests",
            "Requests, by endpoint and status.",
            ("endpoint", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "featheredge_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._steps = Histogram(
            "featheredge_step_seconds",
            "Time of one step of the work on a picture.",
            ("endpoint", "step"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._megapixels = Counter(
            "featheredge_megapixels",
            "Megapixels of the pictures that were processed.",
            ("endpoint",),
            registry=self._registry,
        )
        self._gauge("running", "Pictures that are processed now.", lambda: workers.running)
        self._gauge("waiting", "Pictures that wait for a worker.", lambda: workers.waiting)
        self._gauge("held_bytes", "Bytes of bodies in memory.", lambda: bodies.held_bytes)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def processed(self, endpoint: str, steps: Steps, megapixels: float) -> None:
        """Count a picture."""
        self._megapixels.labels(endpoint).inc(megapixels)
        for step, seconds in steps.seconds.items():
            self._steps.labels(endpoint, step).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        gauge = Gauge(f"featheredge_{name}", description, registry=self._registry)
        gauge.set_function(read)
