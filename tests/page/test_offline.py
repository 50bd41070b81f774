"""The page by itself: nothing from other hosts, and no network after it is loaded."""

import http.server
import json
import threading
from typing import TYPE_CHECKING

import pytest

from page_steps import choose, wait_for_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def test_only_the_site_is_asked_and_the_runtime_once(browser: "Browser", site, asked):
    context = browser.new_context()
    page = context.new_page()
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    page.goto(site)
    page.get_by_role("button", name="Cat").click()
    wait_for_result(page, "edges")
    choose(page, "cutout")
    wait_for_result(page, "cutout")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    assert {url for url in requests if not url.startswith((site, "blob:"))} == set()
    assert sum(".wasm" in path for path in asked) == 1
    context.close()


def test_page_works_and_reloads_without_a_network(browser: "Browser", site):
    context = browser.new_context()
    page = context.new_page()
    page.goto(site)
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    context.set_offline(True)
    page.reload()
    page.get_by_role("button", name="Coffee").click()
    wait_for_result(page, "edges")
    choose(page, "cutout")
    wait_for_result(page, "cutout")
    page.get_by_label("Model").select_option("feather-saliency-s")
    page.get_by_text("The model feather-saliency-s cannot be downloaded").wait_for()
    context.close()


def test_model_that_is_missing_is_said(browser: "Browser", site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/mobile-edge-xs.onnx*", lambda route: route.fulfill(status=404))
    page.goto(site)
    page.get_by_role("button", name="Coffee").click()
    wait_for_result(page, "edges")
    page.get_by_label("Model").select_option("mobile-edge-xs")
    page.get_by_text("The model mobile-edge-xs cannot be downloaded (404).").wait_for()
    context.close()


def test_only_looks_with_a_model_are_offered(browser: "Browser", site, exported):
    index = json.loads((exported / "models/models.json").read_text("utf-8"))
    kept = [model for model in index["models"] if model["task"] == "saliency"]
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/models.json", lambda route: route.fulfill(json={"models": kept}))
    page.goto(site)
    page.get_by_role("button", name="Coffee").click()
    wait_for_result(page, "saliency")
    assert page.get_by_role("radio").count() == 2
    context.close()


def test_plain_host_gives_one_thread_then_several(browser: "Browser", exported):
    """Without the two headers the page runs; the service worker adds them for the next visit."""

    class Plain(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(exported))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    assert not page.evaluate("crossOriginIsolated")
    page.get_by_role("button", name="Cat").click()
    wait_for_result(page, "edges")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    assert page.evaluate("crossOriginIsolated")
    page.get_by_role("button", name="Cat").click()
    wait_for_result(page, "edges")
    context.close()
    server.shutdown()
    server.server_close()
