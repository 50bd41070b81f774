"""Run the server with uvicorn until it is told to stop, then finish what it has accepted."""

import math
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from featheredge.errors import ArgumentError
from featheredge.server.app import create_app
from featheredge.server.connection import Connection
from featheredge.server.settings import Settings

_HEAD_SECONDS = 10  # for the head of a request, also after the answer to another one
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
            http=Connection,
            ws="none",
            log_level="info" if access_log else "warning",
            access_log=access_log,
            server_header=False,
            timeout_keep_alive=min(_HEAD_SECONDS, math.ceil(settings.body_seconds)),
            limit_concurrency=_MAX_CONNECTIONS,
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
            timeout_graceful_shutdown=math.ceil(
                settings.body_seconds + settings.queue_seconds + settings.work_seconds
            ),
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
