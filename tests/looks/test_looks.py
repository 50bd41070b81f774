"""Looks: every name draws, with the right shape, and what each promises."""

from typing import get_args

import numpy as np
import pytest

from featheredge import compose
from featheredge.cli.predict import EdgeLook, SaliencyLook
from featheredge.errors import ArgumentError, ImageError, NoObjectError
from featheredge.looks import EDGE_LOOKS, LOOKS, SALIENCY_LOOKS, contours_svg, draw
from featheredge.nms import suppress
from featheredge.png import quantise

CASES = [(task, name) for task, looks in LOOKS.items() for name in looks]


@pytest.fixture
def image() -> np.ndarray:
    image = np.full((96, 128, 3), (30, 90, 60), np.uint8)
    image[20:70, 30:90] = 230, 200, 180
    return image


@pytest.fixture
def object_map(image) -> np.ndarray:
    map = np.zeros(image.shape[:2], np.float32)
    map[20:70, 30:90] = 0.95
    return map


@pytest.fixture
def edge_map(object_map) -> np.ndarray:
    map = np.zeros_like(object_map)
    map[19:71, [29, 30, 31, 89, 90, 91]] = 0.6
    map[[19, 20, 21, 69, 70, 71], 29:92] = 0.9
    map[:, 10] = 0.05
    return map


def test_the_command_line_names_every_look():
    assert get_args(EdgeLook) == tuple(EDGE_LOOKS)
    assert get_args(SaliencyLook) == tuple(SALIENCY_LOOKS)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_every_look_draws_and_leaves_its_inputs_alone(task, name, image, edge_map, object_map):
    map = edge_map if task == "edges" else object_map
    before = image.copy(), map.copy()
    drawing = draw(task, name, image, map)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(map, before[1])
    if LOOKS[task][name].suffix == ".svg":
        assert drawing == contours_svg(map)
        return
    assert isinstance(drawing, np.ndarray)
    assert drawing.dtype == np.uint8
    assert drawing.shape[:2] == map.shape
    assert drawing.shape[2:] in ((), (3,), (4,))
    assert drawing.std() > 1


@pytest.mark.parametrize(("task", "name"), CASES)
def test_an_inverted_look_is_the_negative(task, name, image, edge_map, object_map):
    map = edge_map if task == "edges" else object_map
    if LOOKS[task][name].inverted is None:
        with pytest.raises(ArgumentError, match=f"{name} cannot be inverted.*choose one of map"):
            draw(task, name, image, map, invert=True)
        return
    normal, inverted = draw(task, name, image, map), draw(task, name, image, map, invert=True)
    if isinstance(normal, str):
        assert inverted == contours_svg(map, invert=True)
    else:
        assert isinstance(inverted, np.ndarray)
        np.testing.assert_array_equal(inverted, 255 - normal)


def test_grey_looks_of_edges(image, edge_map):
    np.testing.assert_array_equal(draw("edges", "map", image, edge_map), quantise(edge_map))
    thin = draw("edges", "thin", image, edge_map)
    np.testing.assert_array_equal(thin, quantise(suppress(edge_map)))
    binary = draw("edges", "binary", image, edge_map)
    np.testing.assert_array_equal(binary, (edge_map >= 0.5) * np.uint8(255))
    cut = draw("edges", "map", image, edge_map, threshold=0.7)
    np.testing.assert_array_equal(cut, (edge_map >= 0.7) * np.uint8(255))


def test_an_overlay_is_grey_where_no_edge_is(image, edge_map):
    drawn = draw("edges", "overlay", image, edge_map, threshold=0.5)
    assert isinstance(drawn, np.ndarray)
    empty = edge_map < 0.5
    assert np.ptp(drawn[empty], axis=-1).max() == 0
    assert np.ptp(drawn[edge_map > 0.8], axis=-1).min() > 100


def test_lineart_is_black_lines_of_one_width_on_white(image, edge_map):
    drawn = draw("edges", "lineart", image, edge_map)
    assert isinstance(drawn, np.ndarray)
    assert drawn[5, 5] == drawn[45, 60] == 255
    across = [
        (255 - drawn[45, 24:36].astype(int)).sum(),
        (255 - drawn[64:76, 60].astype(int)).sum(),
    ]
    assert across[0] == pytest.approx(across[1], rel=0.1)  # 0.6 and 0.9 are equally black
    assert across[0] > 200


def test_a_sketch_has_dark_edges_on_bright_paper(image, edge_map):
    drawn = draw("edges", "sketch", image, edge_map)
    assert isinstance(drawn, np.ndarray)
    assert drawn[edge_map > 0.8].mean() < 60
    assert drawn[edge_map == 0].mean() > 120


def test_looks_of_an_object_share_its_mask(image, object_map):
    mask = draw("saliency", "mask", image, object_map)
    expected = quantise(compose.subject_mask(image, object_map))
    np.testing.assert_array_equal(mask, expected)
    cut = draw("saliency", "cutout", image, object_map)
    refined = compose.refine_subject(image, object_map)
    np.testing.assert_array_equal(cut, compose.compose(image, refined))
    np.testing.assert_array_equal(cut[..., 3], mask)
    blurred = draw("saliency", "blur", image, object_map)
    expected = compose.compose(image, refined, background="blur")
    np.testing.assert_array_equal(blurred, expected)


def test_a_trimap_is_unknown_around_the_border_only(image, object_map):
    trimap = draw("saliency", "trimap", image, object_map)
    assert isinstance(trimap, np.ndarray)
    assert set(np.unique(trimap)) == {0, 128, 255}
    assert trimap[45, 60] == 255
    assert trimap[5, 5] == 0
    assert (trimap[45, [29, 30]] == 128).all()
    mask = draw("saliency", "mask", image, object_map)
    assert (mask[trimap == 255] == 255).all()
    assert (mask[trimap == 0] == 0).all()


def test_an_outline_changes_only_pixels_near_the_border(image, object_map):
    drawn = draw("saliency", "outline", image, object_map)
    changed = (drawn != image).any(axis=-1)
    assert 0.02 < changed.mean() < 0.2
    assert not changed[30:60, 40:80].any()
    assert not changed[:12].any()


def test_no_object_is_an_error_for_looks_that_need_one(image):
    empty = np.full(image.shape[:2], 0.1, np.float32)
    for look in ("cutout", "blur"):
        with pytest.raises(NoObjectError, match=r"highest value is 0\.10"):
            draw("saliency", look, image, empty)
    assert not draw("saliency", "mask", image, empty).any()
    np.testing.assert_array_equal(draw("saliency", "outline", image, empty), image)


def test_what_cannot_be_drawn_is_refused(image, edge_map):
    with pytest.raises(ArgumentError, match="unknown look 'skech' for edges; choose one of map"):
        draw("edges", "skech", image, edge_map)
    with pytest.raises(ArgumentError, match="threshold is 0"):
        draw("edges", "map", image, edge_map, threshold=0)
    with pytest.raises(ImageError, match="of the same size"):
        draw("edges", "map", image, edge_map[:9])
