"""The interface of rembg 2.0.86: the same names, the same kinds of results."""

import inspect
import io

import numpy as np
import pytest
from PIL import Image

from featheredge import compose
from featheredge.compat import new_session, remove
from featheredge.errors import ArgumentError, ImageError, WeightsError
from featheredge.session import Session

#: The parameters of `rembg.remove`, in order, with their defaults.
PARAMETERS = {
    "data": inspect.Parameter.empty,
    "alpha_matting": False,
    "alpha_matting_foreground_threshold": 240,
    "alpha_matting_background_threshold": 10,
    "alpha_matting_erode_size": 10,
    "session": None,
    "only_mask": False,
    "post_process_mask": False,
    "decontaminate": False,
    "vitmatte": False,
    "vitmatte_model": None,
    "bgcolor": None,
    "force_return_bytes": False,
    "args": inspect.Parameter.empty,
    "kwargs": inspect.Parameter.empty,
}


@pytest.fixture
def session(toy_saliency_onnx) -> Session:
    return new_session(toy_saliency_onnx)


@pytest.fixture
def image() -> np.ndarray:
    image = np.zeros((64, 80, 3), np.uint8)
    image[16:48, 16:56] = 250, 255, 240
    return image


def encoded(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_the_signature_is_the_documented_one():
    found = inspect.signature(remove).parameters
    assert {name: each.default for name, each in found.items()} == PARAMETERS
    assert list(found) == list(PARAMETERS)
    assert list(inspect.signature(new_session).parameters) == ["model_name", "args", "kwargs"]


def test_the_same_kind_comes_out(image, session):
    array = remove(image, session=session)
    assert isinstance(array, np.ndarray)
    assert array.shape == (64, 80, 4)
    np.testing.assert_array_equal(array, compose.cutout(image, model=session))
    picture = remove(Image.fromarray(image), session=session)
    assert isinstance(picture, Image.Image)
    np.testing.assert_array_equal(np.asarray(picture), array)
    content = remove(encoded(image), session=session)
    assert content.startswith(b"\x89PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), array)
    forced = remove(image, session=session, force_return_bytes=True)
    assert isinstance(forced, bytes)


def test_only_the_mask(image, session):
    mask = remove(image, session=session, only_mask=True)
    np.testing.assert_array_equal(mask, remove(image, session=session)[..., 3])
    assert remove(Image.fromarray(image), session=session, only_mask=True).mode == "L"
    hard = remove(image, session=session, only_mask=True, post_process_mask=True)
    assert set(np.unique(hard)) == {0, 255}
    assert (hard[24:40, 24:48] == 255).all()
    assert not hard[:8].any()


def test_a_background_colour_is_composited(image, session):
    cut = remove(image, session=session, bgcolor=(255, 0, 0, 255))
    assert (cut[..., 3] == 255).all()
    np.testing.assert_array_equal(cut[2, 2], (255, 0, 0, 255))
    half = remove(image, session=session, bgcolor=(255, 0, 0, 128))
    assert half[2, 2, 3] == 128


def test_putalpha_keeps_the_colours_of_the_image(image, session):
    image[0, 0] = 9, 60, 9
    cut = remove(image, session=session, putalpha=True)
    np.testing.assert_array_equal(cut[..., :3], image)


def test_arguments_of_alpha_matting_are_accepted(image, session):
    plain = remove(image, session=session)
    matted = remove(image, True, 270, 20, 11, session)
    np.testing.assert_array_equal(plain, matted)


def test_no_object_is_a_transparent_image(session):
    assert not remove(np.full((32, 32, 3), 20, np.uint8), session=session)[..., 3].any()


def test_an_exif_orientation_is_applied(image, session):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", exif=exif)
    cut = Image.open(io.BytesIO(remove(file.getvalue(), session=session)))
    assert cut.size == (64, 80)


def test_what_is_not_available_is_refused(image, session, toy_onnx):
    with pytest.raises(ArgumentError, match="remove got vitmatte"):
        remove(image, session=session, vitmatte=True)
    with pytest.raises(ArgumentError, match="remove got input_points"):
        remove(image, session=session, input_points=[])
    with pytest.raises(ArgumentError, match="new_session got sess_opts"):
        new_session(sess_opts=None)
    with pytest.raises(ValueError, match="Input type"):
        remove("photo.jpg")
    with pytest.raises(ImageError):
        remove(b"no image", session=session)
    with pytest.raises(WeightsError, match="'edges'"):
        remove(image, session=Session(toy_onnx))
