"""The verb `serve`, which runs the HTTP server."""

import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

Positive = Annotated[float, Parameter(validator=Number(gt=0))]


def serve(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8000,
    workers: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    queue: Annotated[int, Parameter(validator=Number(gte=0))] = 32,
    model: Annotated[list[str] | None, Parameter(name=["--model", "-m"], negative="")] = None,
    max_mb: Positive = 25,
    max_megapixels: Positive = 25,
    buffer_mb: Positive = 256,
    body_seconds: Positive = 20,
    queue_seconds: Positive = 30,
    work_seconds: Positive = 30,
    cors_origin: Annotated[list[str] | None, Parameter(negative="")] = None,
    access_log: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Serve the web page and the HTTP API, until Ctrl-C or SIGTERM.

    On a stop, the server answers all requests that it has accepted. Example: featheredge serve
    --port 8080, then open http://127.0.0.1:8080/ in a browser.

    Args:
        host: Address to listen on. The default is reachable from this machine only; 0.0.0.0 is
            reachable from every machine of the network. There is no login.
        port: Port to listen on; 0 takes a free one.
        workers: Pictures that are processed at the same time; by default, one per core.
        queue: Pictures that may wait. Beyond that, the server answers 429 with Retry-After.
        model: A network to offer, by name or as an .onnx file; repeat it for several. The first
            of a task is its default. Without this option, all shipped networks.
        max_mb: Largest body of a request, in megabytes.
        max_megapixels: Largest picture.
        buffer_mb: Memory for the bodies of all requests together, in megabytes.
        body_seconds: Time in which a body must arrive.
        queue_seconds: Most time in the queue; then the server answers 429.
        work_seconds: Most time of the work on one picture; then the server answers 503.
        cors_origin: An origin whose pages may read the answers, such as https://example.com;
            repeat it for several. By default, only the server's own page.
        access_log: Log every request to standard output.
    """
    from featheredge.extras import require

    require("serve", "the server")
    from featheredge.server.run import run
    from featheredge.server.settings import Settings
    from featheredge.timing import num_cores

    settings = Settings(
        workers=workers or num_cores(),
        queue=queue,
        max_mb=max_mb,
        max_megapixels=max_megapixels,
        buffer_mb=buffer_mb,
        body_seconds=body_seconds,
        queue_seconds=queue_seconds,
        work_seconds=work_seconds,
        models=tuple(model or ()),
        cors_origins=tuple(cors_origin or ()),
    )
    run(settings, host, port, access_log=access_log, on_ready=_announce)


def _announce(url: str) -> None:
    """Say on standard error where the server is."""
    sys.stderr.write(f"featheredge: page {url}/, API reference {url}/docs; to stop, press Ctrl-C\n")
    sys.stderr.flush()
