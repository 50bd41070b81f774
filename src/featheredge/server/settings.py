"""Settings of the server: its limits, the networks that it offers, the origins that it trusts."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from featheredge.errors import ArgumentError
from featheredge.timing import num_cores

PAGE = Path(__file__).parent / "page"
"""The folder of the web page. It is optional: without it, the server only has its API."""

_ABOVE_0 = (
    "max_mb",
    "max_megapixels",
    "buffer_mb",
    "body_seconds",
    "queue_seconds",
    "work_seconds",
)
_ORIGIN = re.compile(r"https?://[^/?#\s*@,]+")


@dataclass(frozen=True)
class Settings:
    """Settings of the server.

    Attributes:
        workers: Pictures that are processed at the same time, each by a thread with its own
            networks. Each network runs on one thread.
        queue: Pictures that may wait for a worker. Beyond that, requests are refused with status
            429 and a Retry-After header.
        max_mb: Largest body of a request, in megabytes.
        max_megapixels: Largest picture.
        buffer_mb: Memory for the bodies of all requests together, in megabytes. Beyond that,
            requests are refused with status 429.
        body_seconds: Time in which the whole body must arrive.
        queue_seconds: Most time in the queue; then the request is refused with status 429.
        work_seconds: Most time of the work on one picture; then the answer has status 503.
        models: Names of shipped networks or paths of .onnx files. The first one of a task is its
            default. Empty: all shipped networks.
        cors_origins: Origins whose pages may read the answers, such as "https://example.com".
        page: Folder of the web page.

    Raises:
        ArgumentError: A number is out of range, or an origin is not valid.
    """

    workers: int = field(default_factory=num_cores)
    queue: int = 32
    max_mb: float = 25
    max_megapixels: float = 25
    buffer_mb: float = 256
    body_seconds: float = 20
    queue_seconds: float = 30
    work_seconds: float = 30
    models: tuple[str | Path, ...] = ()
    cors_origins: tuple[str, ...] = ()
    page: Path = PAGE

    def __post_init__(self) -> None:
        if self.workers < 1 or self.queue < 0:
            raise ArgumentError(
                f"workers is {self.workers} and queue is {self.queue}; expected at least one "
                "worker and a queue of 0 or more"
            )
        for name in _ABOVE_0:
            if not 0 < (value := getattr(self, name)) < float("inf"):
                raise ArgumentError(f"{name} is {value}; expected a number above 0")
        if self.buffer_mb < self.max_mb:
            raise ArgumentError(
                f"buffer_mb is {self.buffer_mb:g} and max_mb is {self.max_mb:g}; expected room "
                "for at least one body: raise buffer_mb or lower max_mb"
            )
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ArgumentError(
                    f"{origin!r} is not an origin; expected a scheme and a host, without a path, "
                    "such as https://example.com or http://localhost:3000"
                )
