"""Tensors and BGR arrays as images."""

import numpy as np
import pytest

import featheredge as fe
from featheredge.errors import ArgumentError, ImageError


class Tensor:
    """What a tensor of another library has, on a device of its own."""

    def __init__(self, values: np.ndarray, state: str = "on a device, with gradient") -> None:
        self.values, self.state = values, state

    def detach(self) -> "Tensor":
        return Tensor(self.values, "on a device")

    def cpu(self) -> np.ndarray:
        assert self.state == "on a device"
        return self.values


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_tensors_of_both_layouts(noise, channels_first, dtype):
    image = noise(20, 30)
    values = image if dtype == np.uint8 else (image / 255).astype(np.float32)
    tensor = Tensor(values.transpose(2, 0, 1) if channels_first else values)
    np.testing.assert_array_equal(fe.load_image(tensor), image)


def test_real_tensors(noise):
    torch = pytest.importorskip("torch")
    image = noise(20, 30)
    tensor = torch.from_numpy(image).permute(2, 0, 1).float().div(255).requires_grad_()
    np.testing.assert_array_equal(fe.load_image(tensor), image)
    with pytest.raises(ImageError, match=r"tensor\.float\(\)"):
        fe.load_image(tensor.bfloat16())
    with pytest.raises(ImageError, match=r"a batch; expected one image: give tensor\[0\]"):
        fe.load_image(tensor[None])


def test_grey_tensors(noise):
    grey = noise(20, 30)[..., 0]
    for values in (grey, grey[None], grey[..., None]):
        np.testing.assert_array_equal(fe.load_image(Tensor(values))[..., 1], grey)


def test_bgr_is_the_order_of_opencv(noise, toy_onnx, toy_saliency_onnx):
    image = noise(20, 30)
    bgr = image[..., ::-1]
    np.testing.assert_array_equal(fe.load_image(bgr, channels="bgr"), image)
    np.testing.assert_array_equal(
        fe.edges(bgr, model=toy_onnx, channels="bgr"), fe.edges(image, model=toy_onnx)
    )
    np.testing.assert_array_equal(
        fe.saliency(Tensor(bgr), model=toy_saliency_onnx, channels="bgr"),
        fe.saliency(image, model=toy_saliency_onnx),
    )
    with_alpha = np.dstack([bgr, np.full((20, 30), 255, np.uint8)])
    np.testing.assert_array_equal(fe.load_image(with_alpha, channels="bgr"), image)


def test_a_cutout_has_the_channels_of_its_image(toy_saliency_onnx):
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:48, 16:48] = 255, 240, 200
    rgb = fe.cutout(image, model=toy_saliency_onnx)
    bgr = fe.cutout(image[..., ::-1], model=toy_saliency_onnx, channels="bgr")
    assert isinstance(rgb, np.ndarray)
    np.testing.assert_array_equal(bgr, rgb[..., [2, 1, 0, 3]])
    white = fe.cutout(
        Tensor(image[..., ::-1]), model=toy_saliency_onnx, channels="bgr", background="white"
    )
    assert isinstance(white, np.ndarray)
    assert white.shape == (64, 64, 3)


def test_only_arrays_can_be_bgr(noise, tmp_path):
    with pytest.raises(ArgumentError, match="channels is 'bgr' for str; expected 'rgb'"):
        fe.load_image("photo.jpg", channels="bgr")
    with pytest.raises(ArgumentError, match="choose one of rgb, bgr"):
        fe.load_image(noise(4, 4), channels="gbr")
