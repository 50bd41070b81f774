"""The exported page on a loopback port, and Debian's Chromium to open it in."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from featheredge.server.page_files import export

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Site(http.server.SimpleHTTPRequestHandler):
    """A static host that also sends the two headers that allow threads."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.path)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "page"
    export(folder)
    return folder


@pytest.fixture(scope="session")
def site(exported: Path) -> Iterator[str]:
    handler = functools.partial(Site, directory=str(exported))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=CHROMIUM,
            args=["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
        )
        yield chromium
        chromium.close()


@contextmanager
def fresh_page(browser: "Browser", site: str) -> "Iterator[Page]":
    """Open the page in a fresh profile; an error in the console fails the test."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        permissions=["camera", "clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(180_000)
    page = context.new_page()
    errors: list[str] = []

    def keep(message: "ConsoleMessage") -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("console", keep)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site)
    yield page
    context.close()
    assert not errors


@pytest.fixture
def asked() -> list[str]:
    """Return the paths that browsers ask the site for, from now on."""
    Site.asked.clear()
    return Site.asked


@pytest.fixture
def page(browser: "Browser", site: str) -> "Iterator[Page]":
    with fresh_page(browser, site) as page:
        yield page


@pytest.fixture(scope="module")
def shared_page(browser: "Browser", site: str) -> "Iterator[Page]":
    """One page for all tests of a module, which keeps its pictures."""
    with fresh_page(browser, site) as page:
        yield page
