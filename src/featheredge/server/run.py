"""Run the server with uvicorn until it is told to stop, then finish what it has accepted."""

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from featheredge.errors import ArgumentError
from featheredge.server.app import create_app
from featheredge.server.settings import Settings

HEAD_SECONDS = 10.0
"""Time in which the head of a request must arrive, or the rest of a body that was refused."""

_MAX_CONNECTIONS = 800  # below the usual limit of 1024 open files
_BACKLOG = 1024
_MAX_HEAD_BYTES = 32768


def run(
    settings: Settings,
    host: str,
    port: int,
    *,
    access_log: bool = False,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer the accepted requests and return.

    Args:
        settings: Limits, networks and origins.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        access_log: Whether to log every request to standard output.
        on_ready: Called with the URL when the port is open.

    Raises:
        ArgumentError: The address is not available.
        FeatheredgeError: A network cannot be opened.
    """
    app = create_app(settings)
    with _listen(host, port) as listener:
        on_ready(_url(listener))
        config = uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            log_level="info" if access_log else "warning",
            access_log=access_log,
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
            timeout_graceful_shutdown=round(settings.body_seconds + settings.answer_seconds) + 1,
        )
        signal.signal(signal.SIGTERM, _ignore)  # uvicorn raises it again after its own stop
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:  # so with Ctrl-C
            return


def _ignore(_: int, __: FrameType | None) -> None:
    """Do nothing: the stop was graceful, so the exit code is 0."""


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArgumentError(
            f"cannot listen on {host}, port {port}: {reason}; give another --port, or an address "
            "of this machine as --host"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Connection(H11Protocol):
    """A connection that is closed if its client sends the head of a request too slowly.

    uvicorn has a time limit between requests only. Without this one, clients that send a byte
    now and then could hold all connections.
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
        """Begin to wait for the next request."""
        self._stop()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time limit."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._close)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
