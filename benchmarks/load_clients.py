"""Clients for the load test: plain HTTP/1.1 over asyncio, light enough to leave the cores free."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

_TIMEOUT_S = 600


@dataclass(frozen=True)
class Request:
    """A POST request that clients repeat."""

    path: str
    body: bytes
    content_type: str

    def head(self, host: str) -> bytes:
        """Return the first bytes of the request."""
        return (
            f"POST {self.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        ).encode()


def form_request(path: str, body: bytes, part: str, **fields: str) -> Request:
    """Return a request with the picture as a part of a form, after plain fields."""
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(f'name="{part}"; filename="photo.jpg"\r\n\r\n'.encode() + body)
    marked = b"".join(b"--load\r\nContent-Disposition: form-data; " + p + b"\r\n" for p in parts)
    return Request(path, marked + b"--load--\r\n", "multipart/form-data; boundary=load")


@dataclass
class Answers:
    """What the clients saw.

    Attributes:
        statuses: How many answers had each status; 0 is a broken connection.
        seconds: Time of every answer with status 200.
        picture_seconds: Time from the first attempt to the picture, with all waits.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    picture_seconds: list[float] = field(default_factory=list)


async def load(
    port: int, requests: list[Request], clients: int, *, until: float = 0, limit: int = 0
) -> Answers:
    """Let clients send requests one after another over connections that stay open.

    A client that is refused with 429 waits for Retry-After seconds and tries the picture again.

    Args:
        port: Port of the server on this machine.
        requests: Clients take these in order, again and again.
        clients: Number of clients.
        until: Time of `time.perf_counter` at which clients begin no new request; 0: none.
        limit: Number of requests in all; 0: no limit.
    """
    answers = Answers()
    left = iter(range(limit)) if limit else None
    pause = 1 / clients  # clients of the real world do not start in the same millisecond

    async def client(index: int) -> None:
        await asyncio.sleep(index * pause)
        connection = _Connection(port)
        first_attempt, again = time.perf_counter(), False
        while (not until or time.perf_counter() < until) and (
            left is None or next(left, None) is not None
        ):
            started = time.perf_counter()
            first_attempt = first_attempt if again else started
            status, retry_after = await connection.send(requests[index % len(requests)])
            ended = time.perf_counter()
            answers.statuses[status] += 1
            again = status == 429
            if status == 200:
                answers.seconds.append(ended - started)
                answers.picture_seconds.append(ended - first_attempt)
            elif retry_after:
                await asyncio.sleep(retry_after)
            index += 0 if again else 1
        connection.close()

    await asyncio.gather(*(client(index) for index in range(clients)))
    return answers


class _Connection:
    """A connection that is opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: Request) -> tuple[int, float]:
        """Return the status, 0 for a broken connection, and the seconds to wait if refused."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._send(request)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0, 1

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _send(self, request: Request) -> tuple[int, float]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request.head(f"127.0.0.1:{self._port}") + request.body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return int(first.split()[1]), float(headers.get("retry-after", 0))
