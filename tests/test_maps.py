"""Edge maps at a working size, and maps as pictures."""

import numpy as np
import pytest

import featheredge as fe
from featheredge.errors import ArgumentError, ImageError
from featheredge.resize import resize


def test_the_network_sees_the_working_size(noise, toy_onnx):
    image = noise(60, 120)
    small = fe.edges(resize(image, 20, 40), model=toy_onnx)
    found = fe.edges(image, model=toy_onnx, size=40)
    np.testing.assert_array_equal(found, resize(small, 60, 120))
    assert found.shape == (60, 120)


def test_a_smaller_image_keeps_its_size(noise, toy_onnx):
    image = noise(24, 40)
    whole = fe.edges(image, model=toy_onnx)
    np.testing.assert_array_equal(fe.edges(image, model=toy_onnx, size=40), whole)
    np.testing.assert_array_equal(fe.edges(image, model=toy_onnx, size=1024), whole)
    with pytest.raises(ArgumentError, match="size is 8; expected at least 16"):
        fe.edges(image, model=toy_onnx, size=8)


def test_scales_average_resized_copies(noise, toy_onnx):
    image = noise(60, 120)
    half = resize(fe.edges(resize(image, 30, 60), model=toy_onnx), 60, 120)
    whole = fe.edges(image, model=toy_onnx)
    found = fe.edges(image, model=toy_onnx, scales=(0.5, 1))
    np.testing.assert_allclose(found, (half + whole) / 2, atol=1e-6)
    assert found.dtype == np.float32
    # Factors are on the working size.
    quarter = fe.edges(image, model=toy_onnx, size=60, scales=(0.5,))
    np.testing.assert_array_equal(quarter, fe.edges(image, model=toy_onnx, size=30))


@pytest.mark.parametrize("scales", [(), (1, 0), (float("nan"),), (float("inf"),)])
def test_unusable_scales_are_refused(noise, toy_onnx, scales):
    with pytest.raises(ArgumentError, match="give at least one factor, all above 0"):
        fe.edges(noise(24, 40), model=toy_onnx, scales=scales)


def test_a_map_as_an_image_shows_in_notebooks():
    map = np.linspace(0, 1, 256, dtype=np.float32).reshape(8, 32)
    image = fe.to_image(map)
    np.testing.assert_array_equal(np.asarray(image).ravel(), np.arange(256))
    assert image._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ImageError, match="expected"):
        fe.to_image(map * 2)


def test_a_cutout_knows_its_confidence(toy_saliency_onnx):
    from PIL import Image

    image = np.zeros((64, 64, 3), np.uint8)
    image[16:48, 16:48] = 255
    cut = fe.cutout(Image.fromarray(image), model=toy_saliency_onnx)
    assert isinstance(cut, Image.Image)
    map = fe.saliency(image, model=toy_saliency_onnx)
    assert cut.info["confidence"] == fe.confidence(map)
