"""Screenshots of the web page for the documentation, on a wide screen and on a phone.

    python tools/draw_page.py

Needs Chromium and `pip install playwright`. Serves the exported page on a loopback port.
"""

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from page_block import ROOT
from PIL import Image

from featheredge.server.page_files import export

IMAGES = ROOT / "docs/images"
PICTURES = [ROOT / "examples/coffee.jpg", ROOT / "examples/cat.jpg"]

#: Width, height, theme and what is shown.
SHOTS: tuple[tuple[int, int, Literal["light", "dark"], str], ...] = (
    (1440, 900, "light", "Edges"),
    (1440, 900, "dark", "Cut-out"),
    (390, 844, "light", "Thin edges"),
    (390, 844, "dark", "Cut-out"),
)


def main() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from playwright.sync_api import sync_playwright

    from bench_page import served

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary) / "page"
        export(folder)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        with served(folder) as site:
            for width, height, theme, look in SHOTS:
                page: Any = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=theme
                )
                page.set_default_timeout(90_000)
                page.goto(site)
                if theme == "light":
                    page.wait_for_timeout(1000)
                    save(page.screenshot(), f"page-{width}-welcome")
                shoot(page, look)
                save(page.screenshot(full_page=width < 500), f"page-{width}-{theme}")
                page.close()
        browser.close()


def shoot(page: Any, look: str) -> None:
    """Open two pictures and show a look; the first is shown last, when the code is warm."""
    page.locator("#files").set_input_files([str(path) for path in PICTURES])
    result = page.get_by_text(re.compile(f"^{look} in"))
    page.get_by_role("radio", name=look, exact=True).check(force=True)
    result.wait_for()
    for name in ("cat.jpg", "coffee.jpg"):
        page.get_by_role("button", name=name).click()
        page.get_by_role("img", name=f"The original, {name}").wait_for()
        page.wait_for_timeout(6000)
    if look == "Cut-out":
        page.get_by_role("radio", name="Colour").check(force=True)
        page.wait_for_timeout(3000)
    page.get_by_label("Before and after").fill("42")
    page.evaluate("document.activeElement.blur()")


def save(png: bytes, name: str) -> None:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.save(IMAGES / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
