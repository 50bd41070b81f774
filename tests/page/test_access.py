"""The page for everyone: the keyboard alone, names for screen readers, contrast, phone width."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from page_steps import choose, open_pictures, wait_for_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CAT = ROOT / "examples/cat.jpg"
AXE = ROOT / "page/node_modules/axe-core/axe.min.js"


def focused(page: "Page") -> str:
    """Return the accessible name of the element with the focus."""
    return page.evaluate(
        """() => {
            const on = document.activeElement;
            return on.getAttribute("aria-label") || on.labels?.[0]?.textContent || on.textContent;
        }"""
    ).strip()


def tab_to(page: "Page", name: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_keyboard_alone_goes_from_a_picture_to_a_file(page):
    tab_to(page, "Cat")
    page.keyboard.press("Enter")
    wait_for_result(page, "edges")
    tab_to(page, "Before and after")
    page.keyboard.press("Home")
    assert page.get_by_label("Before and after").input_value() == "0"
    tab_to(page, "Edges")
    page.keyboard.press("ArrowRight")
    wait_for_result(page, "thin")
    tab_to(page, "Threshold")
    page.keyboard.press("End")
    assert page.get_by_label("Threshold").input_value() == "1"
    tab_to(page, "Download PNG")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert started.value.suggested_filename == "cat-thin.png"


def test_camera_dialog_closes_with_escape(page):
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    dialog.wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def violations(page: "Page") -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in page/")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, scheme):
    page.emulate_media(color_scheme=scheme)
    assert violations(page) == []
    open_pictures(page, [CAT, CAT])
    wait_for_result(page, "edges")
    assert violations(page) == []
    choose(page, "cutout")
    wait_for_result(page, "cutout")
    assert violations(page) == []


def test_every_control_has_a_name_and_a_size_to_touch(page):
    open_pictures(page, [CAT, CAT])
    wait_for_result(page, "edges")
    page.get_by_role("radio", name="Cut-out").check(force=True)
    for role in ("button", "radio", "slider", "combobox", "checkbox"):
        for control in page.get_by_role(role).all():
            assert control.get_attribute("aria-label") or control.evaluate(
                "on => on.textContent || on.labels?.[0]?.textContent"
            ), control.evaluate("on => on.outerHTML")
            box = control.bounding_box()
            assert box
            assert box["height"] >= 24, control.evaluate("on => on.outerHTML")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_overflows_on_narrow_screens(browser: "Browser", site, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(site)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == width
    open_pictures(page, [CAT] * 8)
    wait_for_result(page, "edges")
    choose(page, "cutout")
    wait_for_result(page, "cutout")
    assert page.evaluate(wide) == width
    context.close()
