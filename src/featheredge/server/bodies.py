"""Bodies of requests: receive them within the limits on size, memory and time."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from featheredge.server.settings import Settings

CLOSE = {"Connection": "close"}


class Bodies:
    """Receives bodies; counts the bytes of all bodies that are held in memory."""

    def __init__(self, settings: Settings) -> None:
        self._limit = round(settings.max_mb * 1e6)
        self._buffer = round(settings.buffer_mb * 1e6)
        self._seconds = settings.body_seconds
        self.held_bytes = 0

    @contextmanager
    def counted(self) -> Iterator["Held"]:
        """Count the bytes that are received in the block, until its end."""
        held = Held(self)
        try:
            yield held
        finally:
            self.held_bytes -= held.num_bytes

    def take(self, num_bytes: int) -> None:
        """Count bytes as held.

        Raises:
            HTTPException: 429 if the memory for bodies is used up.
        """
        if self.held_bytes + num_bytes > self._buffer:
            raise HTTPException(
                429,
                f"the server holds {self.held_bytes / 1e6:.0f} MB of pictures, its limit is "
                f"{self._buffer / 1e6:g}; try again in a second",
                {"Retry-After": "1"},
            )
        self.held_bytes += num_bytes

    async def receive(self, request: Request, held: "Held") -> bytes:
        """Return the body of a request.

        Raises:
            HTTPException: 400 if it is empty or breaks off, 408 if it is slow, 413 if it is too
                large, 429 if the memory for bodies is used up.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._limit:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > self._limit:
                        raise self._too_large()
                    held.add(len(chunk))
                    body += chunk
        except TimeoutError:
            raise HTTPException(
                408,
                f"the body did not arrive within {self._seconds:g} s ({len(body)} bytes came); "
                "send a smaller picture",
                CLOSE,
            ) from None
        except ClientDisconnect:
            raise HTTPException(400, "the connection closed before the body ended") from None
        if not body:
            raise HTTPException(400, "the body is empty; expected a picture")
        return bytes(body)

    def _too_large(self) -> HTTPException:
        return HTTPException(
            413, f"the body is over the limit of {self._limit / 1e6:g} MB; send a smaller picture"
        )


class Held:
    """The bytes that one request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.num_bytes = 0

    def add(self, num_bytes: int) -> None:
        """Count more bytes.

        Raises:
            HTTPException: 429 if the memory for bodies is used up.
        """
        self._bodies.take(num_bytes)
        self.num_bytes += num_bytes
