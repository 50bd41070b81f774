"""What people do on the page: open, compare, set, save, copy, and what goes wrong."""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from page_steps import download, download_all, open_pictures, show, status, wait_for_result

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
CAT, COFFEE = ROOT / "examples/cat.jpg", ROOT / "examples/coffee.jpg"


def expect(locator):
    from playwright import sync_api

    return sync_api.expect(locator)


def try_example(page: "Page") -> None:
    page.get_by_role("button", name="Cat").click()
    wait_for_result(page, "edges")


def brightness(page: "Page", canvas: str) -> float:
    """Return the mean grey level of a canvas as it is on the screen."""
    return float(np.asarray(Image.open(io.BytesIO(page.locator(canvas).screenshot()))).mean())


def test_example_gives_edges(page):
    try_example(page)
    expect(page.get_by_role("img", name="The result: Edges")).to_be_visible()
    expect(status(page)).to_contain_text("451 × 300 px")


@pytest.mark.slow
def test_files_are_named_and_sized_as_the_picture(page):
    open_pictures(page, [CAT])
    wait_for_result(page, "edges")
    for look, mode in (("edges", "L"), ("thin", "L"), ("saliency", "L"), ("cutout", "RGBA")):
        show(page, look)
        with page.expect_download() as started:
            page.get_by_role("button", name="Download PNG").click()
        assert started.value.suggested_filename == f"cat-{look}.png"
        image = Image.open(started.value.path())
        assert (image.mode, image.size) == (mode, (451, 300))


@pytest.mark.slow
def test_contours_are_one_path_each_and_small(page):
    open_pictures(page, [COFFEE])
    wait_for_result(page, "edges")
    svg = download(page, "Download SVG").decode()
    paths = re.findall(r'<path d="M([^"]+)"/>', svg)
    assert len(paths) == svg.count("<path") > 20
    assert len(svg) < 300_000
    points = np.array([point.split() for path in paths for point in path.split("L")], float)
    assert points.min() >= 0
    assert (points.max(axis=0) <= (600, 400)).all()
    page.get_by_role("radio", name="Cut-out").check(force=True)
    expect(page.get_by_role("button", name="Download SVG")).to_be_hidden()


@pytest.mark.slow
def test_threshold_makes_the_map_binary(page):
    try_example(page)
    page.get_by_label("Threshold").fill("0.4")
    expect(page.get_by_label("Threshold")).to_have_attribute("aria-valuetext", "0.40")
    values = np.unique(np.asarray(Image.open(io.BytesIO(download(page, "Download PNG")))))
    assert values.tolist() == [0, 255]


@pytest.mark.slow
def test_slider_shows_more_of_the_original(page):
    try_example(page)
    slider = page.get_by_role("slider", name="Before and after")
    slider.fill("0")
    only_edges = brightness(page, "#frame")
    slider.fill("100")
    assert brightness(page, "#frame") > only_edges + 20  # a photo is brighter than its edges


@pytest.mark.slow
def test_model_picker_lists_the_models_of_the_task(page):
    try_example(page)
    models = page.get_by_label("Model")
    edges = models.locator("option").all_text_contents()
    assert [name.split()[0] for name in edges] == ["mobile-edge-s", "mobile-edge", "mobile-edge-xs"]
    models.select_option("mobile-edge-xs")
    wait_for_result(page, "edges")
    show(page, "saliency")
    saliency = models.locator("option").all_text_contents()
    assert [name.split()[0] for name in saliency] == ["feather-saliency", "feather-saliency-s"]
    show(page, "edges")
    expect(models).to_have_value("mobile-edge-xs")  # the choice is kept


@pytest.mark.slow
def test_copy_puts_a_png_on_the_clipboard(page):
    try_example(page)
    page.get_by_role("button", name="Copy").click()
    expect(status(page)).to_have_text("Copied to the clipboard")
    kinds = page.evaluate("async () => (await navigator.clipboard.read())[0].types")
    assert kinds == ["image/png"]


@pytest.mark.slow
@pytest.mark.parametrize("event", ["paste", "drop"])
def test_picture_is_pasted_or_dropped(page, event):
    page.evaluate(
        """async (event) => {
            const address = document.querySelector("[data-example] img").src;
            const blob = await (await fetch(address)).blob();
            const data = new DataTransfer();
            data.items.add(new File([blob], "photo.jpg", { type: "image/jpeg" }));
            const made = event === "paste"
                ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
            document.body.dispatchEvent(made);
        }""",
        event,
    )
    wait_for_result(page, "edges")
    expect(page.get_by_role("button", name="photo.jpg")).to_be_visible()


@pytest.mark.slow
def test_camera_takes_a_picture(page):
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    expect(dialog).to_be_visible()
    page.wait_for_timeout(1500)  # the first frames
    dialog.get_by_role("button", name="Take the picture").click()
    wait_for_result(page, "edges")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="camera.png")).to_be_visible()


@pytest.mark.slow
def test_broken_files_are_named_and_the_others_open(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(CAT.read_bytes()[:500])
    (tmp_path / "note.txt").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    files = [tmp_path / "broken.png", tmp_path / "note.txt", tmp_path / "empty.jpg", CAT]
    open_pictures(page, files)
    wait_for_result(page, "edges")
    alerts = page.get_by_role("alert")
    for name in (
        "broken.png: This file is not",
        "note.txt: This file",
        "empty.jpg: The file is empty",
    ):
        expect(alerts).to_contain_text(name)
    expect(page.locator("#pictures li")).to_have_count(1)


@pytest.mark.slow
def test_picture_without_an_object_is_said_and_left_out_of_the_zip(page, tmp_path):
    Image.new("RGB", (80, 60), "grey").save(tmp_path / "plain.png")
    open_pictures(page, [tmp_path / "plain.png", CAT])
    page.locator("#pictures li").nth(1).wait_for()
    page.get_by_role("radio", name="Cut-out").check(force=True)
    expect(status(page)).to_contain_text("No object: the highest value of the map is")
    assert list(download_all(page)) == ["cat-cutout.png"]
    expect(page.get_by_role("alert")).to_contain_text("plain.png: No object")


@pytest.mark.slow
def test_files_of_one_name_stay_apart_in_the_zip(page, tmp_path):
    for folder, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (40, 30), colour).save(tmp_path / folder / "photo.png")
    open_pictures(page, [tmp_path / "a/photo.png", tmp_path / "b/photo.png"])
    page.locator("#pictures li").nth(1).wait_for()
    assert sorted(download_all(page)) == ["photo-edges-2.png", "photo-edges.png"]


@pytest.mark.slow
def test_24_megapixels(page, tmp_path):
    big = tmp_path / "big.jpg"
    Image.open(CAT).resize((6000, 4000)).save(big, quality=90)
    open_pictures(page, [big])
    wait_for_result(page, "edges")
    expect(status(page)).to_contain_text("6000 × 4000 px, seen at 1344 × 896 px")
    show(page, "cutout")
    assert Image.open(io.BytesIO(download(page, "Download PNG"))).size == (6000, 4000)


@pytest.mark.slow
def test_turned_photo_is_upright(page, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.open(CAT).save(tmp_path / "turned.jpg", exif=exif)
    open_pictures(page, [tmp_path / "turned.jpg"])
    wait_for_result(page, "edges")
    assert Image.open(io.BytesIO(download(page, "Download PNG"))).size == (300, 451)


@pytest.mark.slow
def test_theme_switch_is_kept(page):
    switch = page.get_by_role("button", name="Dark theme")
    expect(switch).to_have_attribute("aria-pressed", "false")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    switch.click()
    page.reload()
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
