"""Cut-outs: the mask, the colours, the background, and that nothing is an answer too."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import convolve

import featheredge
from featheredge.compose import bounding_box, compose, subject_alpha, subject_mask
from featheredge.compositing import foreground
from featheredge.errors import ArgumentError, ImageError, NoObjectError, WeightsError
from featheredge.opacity import soft_mask
from featheredge.png import quantise
from featheredge.random_walk import settle
from featheredge.refine import FIT_PX, refine
from featheredge.resize import resize, small_copy
from featheredge.session import Session
from featheredge.subject import select_subject

RED, BLUE = (200, 30, 40), (10, 60, 220)


def scene(height: int = 120, width: int = 160) -> np.ndarray:
    """A bright rectangle with one dim side, on black."""
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 4 : height // 2, width // 4 : width // 2] = 250, 255, 240
    return image


def mixture(height: int = 30, width: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Red that turns into blue within 4 pixels from left to right; and how much of it is red."""
    share = np.clip((width / 2 - np.arange(width)) / 4, 0, 1) * np.ones((height, 1))
    alpha = np.rint(share * 255).astype(np.uint8)
    share = alpha[..., None] / 255
    return np.rint(share * RED + (1 - share) * BLUE).astype(np.uint8), alpha


@given(
    p=st.floats(0, 1, width=32), q=st.floats(0, 1, width=32),
    threshold=st.floats(0.01, 1), softness=st.floats(0, 1),
)  # fmt: skip
def test_a_mask_rises_with_the_map_from_0_to_1(p, q, threshold, softness):
    low, high, none, all_ = soft_mask(
        np.array([[min(p, q), max(p, q), 0, 1]], np.float32), threshold, softness
    )[0]
    assert 0 == none <= low <= high <= all_
    assert all_ == pytest.approx(1)


def test_the_softest_mask_is_the_map_and_the_hardest_its_threshold():
    map = np.random.default_rng(0).random((9, 9), np.float32)
    np.testing.assert_allclose(soft_mask(map, 0.5, 1), map, atol=1e-6)
    np.testing.assert_array_equal(soft_mask(map, 0.3, 0), map >= 0.3)
    ramp = soft_mask(np.array([[0.35, 0.4, 0.5, 0.55, 0.6]], np.float32), 0.5, 0.2)
    np.testing.assert_allclose(ramp, [[0, 0, 0.5, 0.75, 1]], atol=1e-6)


@pytest.mark.parametrize("arguments", [(0, 0.2), (1.1, 0.2), (0.5, -0.1), (0.5, 2)])
def test_a_mask_refuses_numbers_out_of_range(arguments):
    with pytest.raises(ArgumentError, match=r"expected a threshold above 0.*softness from 0 to 1"):
        soft_mask(np.zeros((2, 2), np.float32), *arguments)


def test_the_objects_own_colour_is_found_where_it_is_mixed():
    image, alpha = mixture()
    found = foreground(image, alpha)[..., :3]
    mixed = (alpha > 0) & (alpha < 255)
    fringe, left = (
        (np.abs(colours - np.array(RED)) * (alpha[..., None] / 255))[mixed].mean()
        for colours in (image, found)
    )
    assert fringe > 15
    assert left < 0.4 * fringe
    np.testing.assert_array_equal(found[alpha == 255], image[alpha == 255])


def test_what_was_cut_away_is_not_in_the_file(noise):
    """Far from the object nothing is left of the background, though nobody would see it."""
    image, map = noise(200, 200), np.zeros((200, 200), np.float32)
    image[80:120, 80:120] = 128
    map[80:120, 80:120] = 1
    cut = compose(image, map)
    assert cut[..., 3].sum() == 255 * 1600
    assert not cut[:60].any()


def test_nothing_salient_is_an_answer():
    map = np.full((20, 30), 0.4, np.float32)
    with pytest.raises(NoObjectError, match=r"highest value is 0\.40, below the threshold 0\.5"):
        compose(scene(20, 30), map)
    assert compose(scene(20, 30), map, threshold=0.4).shape == (20, 30, 4)


def test_a_colour_behind():
    image, alpha = mixture()
    map = alpha.astype(np.float32) / 255
    cut = compose(image, map, threshold=0.5)
    whole = compose(image, map, threshold=0.5, background="#ff8000")
    share = cut[..., 3:] / 255
    expected = share * cut[..., :3] + (1 - share) * (255, 128, 0)
    assert whole.shape == (*image.shape[:2], 3)
    assert np.abs(whole - expected).max() <= 1
    np.testing.assert_array_equal(whole, compose(image, map, background=(255, 128, 0)))


def test_a_picture_behind_covers_everything_undistorted(noise, tmp_path):
    """A picture twice as wide as needed is cut left and right."""
    map = np.zeros((40, 40), np.float32)
    map[10:20, 10:20] = 1
    behind = noise(40, 80)
    Image.fromarray(behind).save(tmp_path / "behind.png")
    composed = compose(scene(40, 40), map, background=str(tmp_path / "behind.png"))
    outside = map == 0
    np.testing.assert_array_equal(composed[outside], behind[:, 20:60][outside])
    np.testing.assert_array_equal(composed, compose(scene(40, 40), map, background=behind))


def test_a_blurred_background_holds_nothing_of_the_object():
    image = np.full((200, 200, 3), BLUE, np.uint8)
    image[::4] = 0
    map = np.zeros((200, 200), np.float32)
    map[50:150, 50:150] = 1
    image[50:150, 50:150] = RED
    composed = compose(image, map, background="blur")
    np.testing.assert_array_equal(composed[map == 1], np.full((10000, 3), RED))
    outside = composed[map == 0].astype(float)
    assert np.abs(outside - np.array(BLUE) * 0.75).max() < 12


@pytest.mark.parametrize(
    ("background", "error", "cause"),
    [
        ("wihte", ImageError, "not a colour .* or a readable image: wihte: No such file"),
        ((1, 2), ArgumentError, r"expected \(r, g, b\)"),
        ((0, 0, 256), ArgumentError, r"each from 0 to 255"),
    ],
)
def test_backgrounds_that_are_none(background, error, cause):
    with pytest.raises(error, match=cause):
        compose(scene(), np.ones((120, 160), np.float32), background=background)


def test_cropping_leaves_a_margin_that_ends_with_the_picture():
    map = np.zeros((100, 200), np.float32)
    map[10:50, 60:80] = 1
    image = scene(100, 200)
    assert compose(image, map, crop=True, margin=0).shape == (40, 20, 4)
    cut = compose(image, map, crop=True, margin=0.5)
    np.testing.assert_array_equal(cut[..., 3], map[0:70, 40:100] * 255)
    with pytest.raises(ArgumentError, match="margin is -1"):
        compose(image, map, crop=True, margin=-1)


@given(st.integers(0, 19), st.integers(0, 29), st.floats(0, 3))
def test_a_single_pixel_has_a_box(y, x, margin):
    mask = np.zeros((20, 30), bool)
    mask[y, x] = True
    assert mask[bounding_box(mask, margin)].sum() == 1


@pytest.fixture(scope="module")
def bright(toy_saliency_onnx):
    return Session(toy_saliency_onnx)


def test_a_cutout_is_of_the_same_kind_as_its_picture(toy_saliency_onnx, tmp_path):
    array = scene()
    image = Image.fromarray(array)
    file = io.BytesIO()
    image.save(file, "PNG")
    (tmp_path / "scene.png").write_bytes(file.getvalue())
    from_array = featheredge.cutout(array, model=toy_saliency_onnx)
    assert isinstance(from_array, np.ndarray)
    assert (from_array.shape, from_array.dtype) == ((120, 160, 4), np.uint8)
    for source in (image, tmp_path / "scene.png", str(tmp_path / "scene.png"), file.getvalue()):
        cut = featheredge.cutout(source, model=toy_saliency_onnx)
        assert isinstance(cut, Image.Image)
        assert cut.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(cut), from_array)
    assert featheredge.cutout(image, model=toy_saliency_onnx, background="white").mode == "RGB"


def test_a_cutout_is_what_stands_out(bright):
    image = scene()
    cut = featheredge.cutout(image, model=bright)
    assert (cut[35:55, 45:75, 3] == 255).all()
    assert not cut[70:, :, 3].any()
    assert not cut[:, 90:, 3].any()
    np.testing.assert_array_equal(cut[35:55, 45:75, :3], image[35:55, 45:75])


def test_a_refined_mask_is_what_a_cutout_is_made_of(bright):
    image = scene()
    mask = subject_mask(image, bright(image))
    assert (mask.shape, mask.dtype) == ((120, 160), np.float32)
    alpha = featheredge.cutout(image, model=bright)[..., 3]
    np.testing.assert_allclose(alpha, mask * 255, atol=0.51)


def test_an_empty_picture_is_named(bright, tmp_path):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "night.png")
    with pytest.raises(NoObjectError, match=r"night\.png: no salient object.*0\.00"):
        featheredge.cutout(tmp_path / "night.png", model=bright)
    with pytest.raises(NoObjectError, match=r"^the image: no salient object"):
        featheredge.cutout(np.zeros((30, 40), np.uint8), model=bright)


def test_the_network_decides_whether_there_is_an_object(bright):
    """Grey that is too dark for the network has an edge that refining could make more of."""
    image = scene() // 5 * 2
    assert bright(image).max() < 0.5
    with pytest.raises(NoObjectError, match=f"highest value is {bright(image).max():.2f}"):
        featheredge.cutout(image, model=bright)


def test_a_cutout_needs_a_saliency_network(toy_onnx, noise):
    with pytest.raises(WeightsError, match="expected one for 'saliency'"):
        featheredge.cutout(noise(8, 8), model=Session(toy_onnx))


def test_a_cutout_keeps_to_the_pixel_limit(bright, noise):
    with pytest.raises(ImageError, match="over the limit"):
        featheredge.cutout(noise(40, 40), model=bright, max_megapixels=0.001)


@pytest.fixture
def two_parts(tmp_path):
    """A picture with a large and a small bright square, and a session whose map is its grey."""
    image = np.zeros((100, 120, 3), np.uint8)
    image[10:60, 10:60] = 255
    image[80:90, 90:100] = 255
    return image, Brightness()


class Brightness:
    """Stands in for a saliency session: the map is the picture's brightness."""

    task = "saliency"
    input_px = 32

    def __call__(self, pixels, *, max_megapixels=100.0, size=None):
        map = pixels[..., 0].astype(np.float32) / 255
        return map if size is None else resize(map, *size)


def test_islands_are_dropped_and_counted(two_parts, monkeypatch):
    image, session = two_parts
    monkeypatch.setattr(featheredge.compose, "cached_session", lambda *_: session)
    dropped = []
    cut = featheredge.cutout(image, on_dropped=dropped.append)
    assert dropped == [1]
    assert cut[80:90, 90:100, 3].max() == 0
    assert cut[20:50, 20:50, 3].min() == 255
    whole = featheredge.cutout(image, min_share=0, on_dropped=dropped.append)
    assert whole[82:88, 92:98, 3].min() == 255
    alone = featheredge.cutout(image, min_share=0, subject="largest", on_dropped=dropped.append)
    assert alone[80:90, 90:100, 3].max() == 0
    assert dropped == [1, 1]


@pytest.mark.parametrize("shape", [(100, 120), (300, 700)])
@pytest.mark.parametrize(("threshold", "softness"), [(0.5, 0.2), (0.9, 0.2), (0.3, 0), (0.5, 1)])
def test_opacities_in_blocks_are_those_of_the_whole(shape, threshold, softness, noise):
    """Also where the picture is enlarged from its small copy."""
    image = resize(noise(shape[0] // 20, shape[1] // 20), *shape)
    session = Brightness()
    small = small_copy(image, FIT_PX)
    settled = settle(session(image, size=small.shape[:2]), small, threshold)
    refined = refine(select_subject(settled, threshold).map, image)
    found = subject_alpha(image, session, threshold, softness)
    expected = soft_mask(refined, threshold, softness) * 255
    assert 0 < found.mean() < 255
    if softness:
        np.testing.assert_allclose(found, expected, atol=0.501)
    else:  # a hard border can fall on either side of a pixel at exactly the threshold
        assert (found != expected).mean() < 1e-3


def slow_foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The estimate of Forte in float64, on the picture itself; colours wherever there is F."""
    side = 2 * max(round(max(alpha.shape) / 64), 1) + 1
    opacity = alpha[..., None] / 255
    window = np.ones((side, side, 1))

    def mean(weight: np.ndarray) -> np.ndarray:
        colours, weights = (
            convolve(values, window, mode="constant") for values in (image * weight, weight)
        )
        return np.rint(np.divide(colours, weights, where=weights > 1e-9, out=0 * colours))

    f, b = mean(opacity), mean(1 - opacity)
    return f + opacity * (image - opacity * f - (1 - opacity) * b)


def test_colours_in_blocks_are_those_of_the_slow_twin(noise):
    image = resize(noise(7, 9), 150, 200)
    map = resize((noise(4, 5, 1)[..., 0] / 255).astype(np.float32), 150, 200)
    alpha = quantise(soft_mask(map, 0.5, 0.4))
    layer = foreground(image, alpha)
    np.testing.assert_array_equal(layer[..., 3], alpha)
    np.testing.assert_array_equal(layer[alpha == 255][:, :3], image[alpha == 255])
    # A mean that is half-way between two levels can be rounded either way.
    np.testing.assert_allclose(layer[..., :3], slow_foreground(image, alpha).clip(0, 255), atol=2.1)


def test_networks_that_see_pictures_at_their_own_size_cut_out_too():
    class OwnSize(Brightness):
        input_px = None

        def __call__(self, pixels, *, max_megapixels=100.0):
            return pixels[..., 0].astype(np.float32) / 255

    image = np.full((600, 700, 3), 20, np.uint8)
    image[150:450, 200:500] = 250
    found, expected = (subject_alpha(image, session) for session in (OwnSize(), Brightness()))
    np.testing.assert_array_equal(found, expected)
