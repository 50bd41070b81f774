"""Time of the web page in Chromium, from a cold cache to the first result, and of later results.

Each round opens a browser with an empty profile, goes to the page on a loopback port and clicks an
example picture at once. Needs Chromium and `pip install playwright`.

    python benchmarks/bench_page.py [ROUNDS]
"""

import functools
import http.server
import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from featheredge.server.page_files import export
from interleaved import write_result

LOOKS = {"Edges": "edges", "Thin edges": "thin", "Saliency": "saliency", "Cut-out": "cutout"}
BUDGET_S, BUDGET_MB = 2, 20


class Site(http.server.SimpleHTTPRequestHandler):
    """A static host with the headers that allow threads."""

    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        """Add the two headers to every answer."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for the results."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(Site, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def measure(browser: Any, site: str) -> dict[str, float]:
    """Return seconds to the first result, and of one result of each kind once all is loaded."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    times = {}
    started = time.perf_counter()
    page.goto(site)
    page.get_by_role("button", name="Coffee").click()
    page.get_by_text(re.compile("^Edges in")).wait_for(timeout=180_000)
    times["first result"] = time.perf_counter() - started
    for name in [*LOOKS, *LOOKS]:  # the second time, the maps are computed and the code is warm
        page.get_by_role("radio", name=name, exact=True).check(force=True)
        started = time.perf_counter()
        page.get_by_text(re.compile(f"^{name} in")).wait_for(timeout=180_000)
        times[f"{name}, map computed before"] = time.perf_counter() - started
    context.close()
    return times


def main(rounds: int) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        files = export(Path(temporary) / "page")
        size = sum(file.stat().st_size for file in files)
        measured = []
        with served(Path(temporary) / "page") as site:
            for _ in range(rounds):
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
                load = os.getloadavg()[0]
                measured.append({"load": load, **measure(browser, site)})
                browser.close()
    first = [one["first result"] for one in measured]
    budgets = {
        "first result": {
            "budget_s": BUDGET_S,
            "min_s": round(min(first), 2),
            "median_s": round(statistics.median(first), 2),
        },
        "the page in all": {"budget_mb": BUDGET_MB, "mb": round(size / 1e6, 1)},
    }
    write_result("page", {"budgets": budgets, "rounds": measured})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
