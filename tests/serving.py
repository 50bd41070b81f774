"""Requests to the server: to its app in the test's process, or over a socket."""

import asyncio
import io
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

for _module in ("httpx", "fastapi", "uvicorn", "python_multipart", "prometheus_client"):
    pytest.importorskip(_module, reason=f"needs httpx and featheredge[serve]: no {_module}")

import httpx  # noqa: E402


def request(app, method: str, path: str, **options) -> httpx.Response:
    """The answer of an app to one request."""
    return requests(app, [(method, path, options)])[0]


def post(app, path: str, content: bytes, **headers: str) -> httpx.Response:
    """The answer to a picture; `accept` and `content_type` are headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(app, "POST", path, content=content, headers=named)


def requests(app, several: list[tuple[str, str, dict]]) -> list[httpx.Response]:
    """The answers to several requests at the same time."""

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            sent = [client.request(method, path, **options) for method, path, options in several]
            return await asyncio.gather(*sent)

    return asyncio.run(send())


def sentence(answer: httpx.Response, status: int) -> str:
    """The sentence of an error, after a check of its status."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert len(detail) > 10
    return detail


def pixels_of(answer: httpx.Response) -> np.ndarray:
    """The pixels of an answer that is a picture."""
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def encoded(pixels: np.ndarray, format: str = "PNG") -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


@contextmanager
def served(*arguments: str, port: int = 0) -> Iterator[tuple[subprocess.Popen, int]]:
    """A server in a process of its own, and its port; it is killed if the test leaves it."""
    command = [sys.executable, "-m", "featheredge", "serve", "--port", str(port), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line + process.stderr.read()
        yield process, int(found[1])
    finally:
        process.kill()
        process.communicate()


def raw_answer(port: int, *pieces: bytes, timeout_s: float = 60) -> bytes:
    """Send bytes as they are; return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read_to_end(connection)


def read_to_end(connection: socket.socket) -> bytes:
    """All bytes until the other side closes."""
    received = bytearray()
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return bytes(received)
