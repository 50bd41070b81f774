"""The page's maps and cut-outs against Python's, on ten pictures, through the ZIP that it saves."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import featheredge as fe
from featheredge.compose import subject_alpha
from featheredge.errors import NoObjectError
from featheredge.image import load
from featheredge.nms import suppress
from featheredge.png import quantise
from page_steps import choose, download, download_all, open_pictures, show

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten PNG files, so that JPEG decoders do not differ: sizes, shapes and kinds of pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    cat, coffee = (Image.open(EXAMPLES / f"{name}.jpg") for name in ("cat", "coffee"))
    alpha = Image.linear_gradient("L").resize(cat.size)
    clear = cat.copy()
    clear.putalpha(alpha)
    made = {
        "cat": cat,
        "coffee": coffee,
        "clear": clear,
        "grey": coffee.convert("L"),
        "palette": cat.quantize(64),
        "narrow": coffee.crop((100, 0, 137, 300)),
        "tiny": cat.resize((23, 17)),
        "one-row": cat.crop((0, 150, 451, 151)),
        "wide": coffee.resize((1400, 331)),  # two tiles
        "large": cat.resize((1000, 665), Image.Resampling.LANCZOS),
    }
    for name, picture in made.items():
        picture.save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in made]


@pytest.fixture(scope="module")
def opened(shared_page: "Page", pictures: list[Path]) -> "Page":
    open_pictures(shared_page, pictures)
    shared_page.locator("#pictures li").nth(len(pictures) - 1).wait_for()
    # As Python: a picture of any size at its own size.
    shared_page.get_by_label("Working size").select_option("", force=True)
    return shared_page


def decoded(png: bytes, mode: str) -> NDArray[np.int16]:
    image = Image.open(io.BytesIO(png))
    assert image.mode == mode
    return np.asarray(image).astype(np.int16)


def compare_all(
    found: dict[str, bytes], pictures: list[Path], look: str, expected: "dict[str, NDArray]"
) -> None:
    assert sorted(found) == sorted(f"{path.stem}-{look}.png" for path in pictures)
    for path in pictures:
        page_map = decoded(found[f"{path.stem}-{look}.png"], "L")
        off = np.abs(page_map - expected[path.stem].astype(np.int16)).max()
        assert off <= 2, f"{path.stem}: {off}/255"


def test_edge_maps_are_equal(opened, pictures):
    choose(opened, "edges")
    expected = {path.stem: quantise(fe.edges(path)) for path in pictures}
    compare_all(download_all(opened), pictures, "edges", expected)


def test_saliency_maps_are_equal(opened, pictures):
    choose(opened, "saliency")
    expected = {path.stem: quantise(fe.saliency(path)) for path in pictures}
    compare_all(download_all(opened), pictures, "saliency", expected)


def test_sharp_masks_are_equal(opened, pictures):
    choose(opened, "saliency")
    opened.get_by_label("Sharp borders").check()
    session = fe.Session(task="saliency")
    expected = {path.stem: subject_alpha(load(path), session) for path in pictures}
    found = download_all(opened)
    for path in pictures:
        page_mask = decoded(found[f"{path.stem}-saliency.png"], "L")
        # The ramp of a mask is five times as steep as the map.
        assert np.abs(page_mask - expected[path.stem]).max() <= 4, path.stem


def test_thin_edges_are_equal_but_for_ties(opened, pictures):
    choose(opened, "thin")
    found = download_all(opened)
    for path in pictures:
        expected = quantise(suppress(fe.edges(path))).astype(np.int16)
        page_map = decoded(found[f"{path.stem}-thin.png"], "L")
        differs = np.abs(page_map - expected) > 2
        assert differs.mean() < 0.002, f"{path.stem}: {differs.mean():.4%} of the pixels"


def test_cutouts_are_equal(opened, pictures):
    choose(opened, "cutout")
    found = download_all(opened)
    num_objects = 0
    for path in pictures:
        try:
            expected = np.asarray(fe.cutout(path)).astype(np.int16)
        except NoObjectError:
            assert f"{path.stem}-cutout.png" not in found
            continue
        num_objects += 1
        page_cutout = decoded(found[f"{path.stem}-cutout.png"], "RGBA")
        assert np.abs(page_cutout - expected).max() <= 4, path.stem
    assert num_objects >= 4


@pytest.mark.parametrize("background", ["Blur", "Colour", "Picture"])
def test_cutouts_on_a_background_are_equal(page, pictures, background):
    cat, coffee = pictures[:2]
    open_pictures(page, [cat])
    show(page, "cutout")
    page.get_by_label("Background colour").fill("#12ab34")
    if background == "Picture":
        page.get_by_label("Background picture").set_input_files(coffee)
    else:
        page.get_by_role("radio", name=background).check(force=True)
    given = {"Blur": "blur", "Colour": "#12ab34", "Picture": str(coffee)}[background]
    expected = np.asarray(fe.cutout(cat, background=given)).astype(np.int16)
    found = decoded(download(page, "Download PNG"), "RGB")
    assert np.abs(found - expected).max() <= 4
