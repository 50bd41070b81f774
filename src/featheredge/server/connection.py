"""Connections of the server, with a time limit on the head of a request."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """A connection that is closed if its client sends the head of a request too slowly.

    uvicorn's `timeout_keep_alive` ends at the first byte of a request. Here it lasts until the
    head is complete, and it includes the rest of a body that was refused. Otherwise, clients that
    send a byte now and then could hold all connections.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the time limit runs while no request is being answered."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._late is None:
            self._start()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._stop()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the time limit."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._late = self.loop.call_later(self.timeout_keep_alive, self._close)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
