"""Tests of image loading: every kind of source, and errors that name the source and the cause."""

import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import featheredge
from featheredge.errors import ImageError
from featheredge.image import load


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.fixture
def rgb(noise):
    return noise(5, 7)


def test_every_kind_of_source_gives_the_same_pixels(rgb, tmp_path):
    path = tmp_path / "a photo é.png"
    path.write_bytes(encoded(Image.fromarray(rgb)))
    data = path.read_bytes()
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), memoryview(data), file, io.BytesIO(data)]
        sources += [rgb, Image.fromarray(rgb)]
        for source in sources:
            image = load(source)
            assert image.dtype == np.uint8
            np.testing.assert_array_equal(image, rgb)
    assert featheredge.load_image is load


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(rgb, orientation):
    """The twin is the definition: where EXIF says the first row and column are in the scene."""
    upright = {
        1: rgb,
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.swapaxes(0, 1),
        6: rgb.swapaxes(0, 1)[:, ::-1],
        7: rgb[::-1, ::-1].swapaxes(0, 1),
        8: rgb.swapaxes(0, 1)[::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(rgb), exif=exif)
    np.testing.assert_array_equal(load(data), upright)
    pil = Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(load(pil), upright)
    assert pil.size == (7, 5), "the caller's image is left as it was"


def test_grey_palette_and_bilevel(rgb):
    grey = rgb[..., 0]
    np.testing.assert_array_equal(load(encoded(Image.fromarray(grey))), np.dstack([grey] * 3))
    palette = Image.fromarray(rgb).quantize(8)
    np.testing.assert_array_equal(load(encoded(palette)), np.asarray(palette.convert("RGB")))
    black_white = Image.fromarray(grey > 127)
    np.testing.assert_array_equal(load(encoded(black_white))[..., 1], (grey > 127) * 255)


def test_transparent_palette_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putpixel((1, 0), 1)
    np.testing.assert_array_equal(
        load(encoded(image, transparency=0)), [[[255, 255, 255], [0, 200, 0]]]
    )


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_transparent_colour_key_is_white(mode):
    key = 7 if mode == "L" else (7, 7, 7)
    image = Image.new(mode, (2, 1), key)
    image.putpixel((1, 0), 9 if mode == "L" else (9, 9, 9))
    assert load(encoded(image, transparency=key))[0, :, 0].tolist() == [255, 9]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_composited_on_white(mode):
    values = np.random.default_rng(0).integers(0, 256, (16, 16, len(mode)), dtype=np.uint8)
    alpha = values[..., -1:] / 255
    colour = values[..., :-1] if mode == "RGBA" else np.repeat(values[..., :1], 3, axis=2)
    expected = colour * alpha + 255 * (1 - alpha)
    read = load(
        encoded(
            Image.fromarray(values, mode)
            if mode == "RGBA"
            else Image.merge("LA", [Image.fromarray(values[..., i]) for i in (0, 1)])
        )
    )
    assert np.abs(read - expected).max() <= 1
    if mode == "RGBA":
        np.testing.assert_array_equal(load(values), read)


def test_cmyk_is_converted(rgb):
    cmyk = Image.fromarray(255 - np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]), "CMYK")
    np.testing.assert_array_equal(load(encoded(cmyk, "TIFF")), rgb)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format):
    values = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], np.uint16)
    expected = [0, 0, 1, 1, 128, 254, 255, 255]
    assert load(encoded(Image.fromarray(values), format))[0, :, 0].tolist() == expected
    assert load(values)[0, :, 2].tolist() == expected
    assert load(Image.fromarray(values.astype(np.int32)))[0, :, 1].tolist() == expected


def test_sixteen_bit_colour_key_is_white():
    values = np.array([[1000, 30000]], np.uint16)
    image = Image.fromarray(values)
    image.info["transparency"] = 1000
    assert load(image)[0, :, 0].tolist() == [255, 117]


def test_first_frame_of_several(rgb):
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(load(data), rgb)


@given(hnp.arrays(np.float64, (3, 4, 3), elements=st.floats(0, 1)), st.sampled_from("efd"))
def test_floats_in_the_unit_range_are_rounded(values, code):
    values = values.astype(code)
    assert np.abs(load(values) - values.astype(float) * 255).max() <= (
        0.6 if code == "e" else 0.501
    )


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (1, 1), (1, 1, 4)])
def test_array_shapes(shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    values[..., 3:] = 255
    expected = values[..., :3] if len(shape) == 3 else values[..., None]
    np.testing.assert_array_equal(load(values), np.broadcast_to(expected, (*shape[:2], 3)))


def test_masks_and_views(rgb):
    assert load(np.eye(3, dtype=bool))[..., 0].tolist() == (255 * np.eye(3)).tolist()
    flipped = load(rgb[::-1, ::2])
    np.testing.assert_array_equal(flipped, rgb[::-1, ::2])
    assert flipped.flags.c_contiguous


@pytest.mark.parametrize(
    ("array", "cause"),
    [
        (np.zeros((3, 40, 50), np.uint8), r"shape \(3, 40, 50\).*channels last"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((2, 2, 2), np.uint8), r"shape \(2, 2, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"no pixels \(\d+x\d+\)"),
        (np.zeros((4, 0), np.uint8), r"no pixels \(\d+x\d+\)"),
        (np.zeros((2, 2), np.int64), "dtype int64"),
        (np.array([[0.0, np.nan]]), "NaN or infinity"),
        (np.array([[0.0, np.inf]]), "NaN or infinity"),
        (np.array([[0.0, 255.0]]), r"from 0 to 255; expected \[0, 1\] \(divide"),
        (np.array([[-0.1, 0.5]]), "from -0.1"),
    ],
)
def test_bad_arrays_are_refused(array, cause):
    with pytest.raises(ImageError, match=f"the array: .*{cause}"):
        load(array)


def test_wide_grey_out_of_range_is_refused():
    with pytest.raises(ImageError, match="32-bit values from 0 to 70000"):
        load(Image.fromarray(np.array([[0, 70000]], np.int32)))
    with pytest.raises(ImageError, match="from 0 to 9"):
        load(Image.fromarray(np.array([[0, 9]], np.float32)))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_truncated_files_are_refused_by_name(noise, tmp_path, format):
    data = encoded(Image.fromarray(noise(64, 64)), format)
    path = tmp_path / f"half.{format.lower()}"
    for kept in (len(data) // 2, 12):
        path.write_bytes(data[:kept])
        with pytest.raises(ImageError, match="half") as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_image_raise_nothing_else(data):
    with pytest.raises(ImageError, match="bytes given"):
        load(b"\x89PNG\r\n\x1a\n" + data)


def test_other_bad_files_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty.png").touch()
    causes = {"notes.txt": "not an image", "empty.png": "not an image", "none.png": "No such file"}
    for name, cause in causes.items():
        with pytest.raises(ImageError, match=f"{name}: {cause}"):
            load(tmp_path / name)
    with pytest.raises(ImageError, match="Is a directory"):
        load(tmp_path)
    with pytest.raises(ImageError, match="from int; expected a path"):
        load(7)
    with pytest.raises(ImageError, match=r"https?://.* is a URL; download"):
        load("https://example.org/photo.jpg")


def test_the_pixel_limit_is_ours_alone(monkeypatch):
    """Pillow's guard neither warns below our limit nor speaks before ours; it is left as it was."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = encoded(Image.new("RGB", (40, 30)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(data).shape == (30, 40, 3)
        assert load(data, max_megapixels=0.0012).shape == (30, 40, 3)
        for source in (data, np.zeros((30, 40)), Image.new("L", (40, 30))):
            with pytest.raises(ImageError, match=r"40x30 is 0\.0012 megapixels.* limit of 0\.001"):
                load(source, max_megapixels=0.001)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_huge_header_is_refused_without_decoding():
    header = b"P5 60000 60000 255\n"  # a PGM of 3.6 gigapixels with no data
    with pytest.raises(ImageError, match=r"60000x60000 is 3600 megapixels.* limit of 100"):
        load(header)


@pytest.mark.parametrize(
    "image",
    [
        np.full((4, 5), 200, np.uint16),
        Image.fromarray(np.full((4, 5), 255, np.int32)),
        encoded(Image.fromarray(np.full((4, 5), 9, np.uint16))),
    ],
    ids=["array", "32-bit image", "16-bit file"],
)
def test_8_bit_values_in_a_wider_container_are_warned_about(image):
    with pytest.warns(UserWarning, match=r"nearly black.*astype\(numpy\.uint8\)"):
        assert load(image).max() <= 1


@pytest.mark.parametrize("highest", [0, 1, 256, 65535])
def test_16_bit_images_that_can_be_meant_so_pass_without_a_warning(highest):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(np.array([[0, highest]], np.uint16))


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)


def test_a_heic_picture_says_what_to_install(tmp_path):
    (tmp_path / "phone.heic").write_bytes(HEIC)
    code = (
        "import sys\nsys.modules['pi_heif'] = None\nimport featheredge\n"
        "from featheredge.errors import MissingExtraError\n"
        "try:\n    featheredge.load_image(sys.argv[1])\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "phone.heic")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path / 'phone.heic'}: reading HEIC images needs pi_heif")
    assert "pip install 'featheredge[heic]'" in done.stdout
