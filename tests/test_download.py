"""Downloads from a real server on this machine: limits, redirects, and addresses."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from featheredge import download
from featheredge.download import Url, fetch, is_url
from featheredge.errors import ImageError


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path.startswith("/hop"):
            number = int(self.path.removeprefix("/hop"))
            self.send_response(302)
            self.send_header("Location", f"/hop{number - 1}" if number > 1 else "/photo.jpg")
            self.end_headers()
            return
        if self.path == "/to-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        self.send_response(200)
        if self.path == "/announced":
            self.send_header("Content-Length", "99999999999")
        self.end_headers()
        if self.path == "/slow":
            for _ in range(50):
                self.wfile.write(b"x")
                time.sleep(0.05)
        elif self.path == "/endless":
            for _ in range(1000):
                self.wfile.write(b"x" * 10_000)
        else:
            self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print nothing: clients that hang up early are part of the tests."""


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def get(address: str) -> bytes:
    return fetch(Url(address), allow_private=True)


def test_a_picture_is_downloaded(root):
    assert get(f"{root}/photo.jpg") == b"/photo.jpg"
    assert get(f"{root}/a b.jpg?size=2") == b"/a%20b.jpg?size=2"


def test_redirects_are_followed_up_to_a_limit(root):
    assert get(f"{root}/hop3") == b"/photo.jpg"
    with pytest.raises(ImageError, match="hop4: more than 3 redirects"):
        get(f"{root}/hop4")


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("missing", "the server answers 404 Not Found"),
        ("announced", "over the limit of 1 MB"),
        ("endless", "over the limit of 1 MB"),
        ("to-file", "file:///etc/passwd is not an http"),
    ],
)
def test_what_is_no_picture_or_too_large_is_an_error(root, monkeypatch, path, cause):
    monkeypatch.setattr(download, "MAX_MEGABYTES", 1)
    with pytest.raises(ImageError, match=f"{root}/{path}: .*{cause}"):
        get(f"{root}/{path}")


def test_a_slow_server_is_left(root, monkeypatch):
    monkeypatch.setattr(download, "MAX_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(ImageError, match="took longer than the limit of"):
        get(f"{root}/slow")
    assert time.monotonic() - started < 2


def test_a_server_that_does_not_answer_is_left(monkeypatch):
    monkeypatch.setattr(download, "MAX_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ImageError, match="cannot be downloaded: the server does not answer"):
            get(f"http://127.0.0.1:{port}/a.jpg")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
     "[::ffff:127.0.0.1]", "[fd00::1]", "224.0.0.1", "2130706433"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(host):
    with pytest.raises(ImageError, match="not a public address; add --allow-private-urls"):
        fetch(Url(f"http://{host}:9/a.jpg"))


def test_the_open_connection_is_checked_before_the_request(root, monkeypatch):
    first = threading.Event()

    def once(host: str, address: str) -> None:
        if first.is_set():
            raise ValueError(f"{host} is {address}, not a public address")
        first.set()

    monkeypatch.setattr(download, "_refuse_private", once)
    with pytest.raises(ImageError, match="not a public address"):
        fetch(Url(f"{root}/photo.jpg"))


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("http://", "is not an http:// or https:// address"),
        ("http://ada:secret@example.org/a.jpg", "user name or password"),
        ("http://[::1/a.jpg", "http"),
        ("http://example.org:99999/a.jpg", "http"),
        ("http://no-such-host.invalid/a.jpg", "cannot be downloaded"),
    ],
)
def test_addresses_that_make_no_sense_are_errors(address, cause):
    with pytest.raises(ImageError, match=cause):
        get(address)


def test_only_http_is_a_url():
    assert [is_url(t) for t in ("https://a", "HTTP://a", "ftp://a", "file:///a", "a.jpg")] == [
        True, True, False, False, False
    ]  # fmt: skip
