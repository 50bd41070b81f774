"""Steps on the web page, as a user takes them."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RESULTS = {"edges": "Edges", "thin": "Thin edges", "saliency": "Saliency", "cutout": "Cut-out"}
TIMEOUT_MS = 180_000


def open_pictures(page: "Page", paths: Sequence[Path | str]) -> None:
    page.locator("#files").set_input_files([str(path) for path in paths])


def status(page: "Page") -> "Locator":
    return page.get_by_role("status")


def choose(page: "Page", look: str) -> None:
    """Choose what is shown."""
    page.get_by_role("radio", name=RESULTS[look], exact=True).check(force=True)


def show(page: "Page", look: str) -> None:
    """Choose what is shown, and wait for the result."""
    choose(page, look)
    wait_for_result(page, look)


def wait_for_result(page: "Page", look: str) -> None:
    from playwright.sync_api import expect

    expect(status(page)).to_contain_text(f"{RESULTS[look]} in", timeout=TIMEOUT_MS)


def download(page: "Page", button: str) -> bytes:
    """Click a button, and return the file that it downloads."""
    with page.expect_download(timeout=TIMEOUT_MS) as started:
        page.get_by_role("button", name=button).click()
    return Path(started.value.path()).read_bytes()


def download_all(page: "Page") -> dict[str, bytes]:
    """Return the files of the ZIP, by name."""
    archive = zipfile.ZipFile(io.BytesIO(download(page, "Download all as ZIP")))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}
