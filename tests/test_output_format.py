"""Files in each output format, read back by Pillow: pixels, settings, metadata and animations."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, features

from featheredge.animation import read_frames
from featheredge.errors import ArgumentError, ImageError, OutputError
from featheredge.image_metadata import ImageMetadata, read_metadata
from featheredge.output_format import FORMATS, Animation, OutputFormat, format_of

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

if not features.check("avif"):
    pytest.skip("this Pillow has no AVIF", allow_module_level=True)


@pytest.fixture
def grey():
    return Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1)))


@pytest.fixture
def cut(grey):
    return Image.merge("RGBA", [grey, grey.rotate(180), grey, grey])


def read(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize("name", FORMATS)
def test_maps_keep_their_values(grey, name):
    image = read(OutputFormat(name).encode(grey))
    assert image.format == {"jpg": "JPEG"}.get(name, name.upper())
    difference = np.abs(np.asarray(image.convert("L")).astype(int) - np.asarray(grey))
    assert difference.max() <= {"png": 0, "webp": 0, "jpg": 8, "avif": 8}[name]


@pytest.mark.parametrize("name", ["png", "webp", "avif"])
def test_cut_outs_keep_their_opacity(cut, name):
    alpha = np.asarray(read(OutputFormat(name).encode(cut)).getchannel("A")).astype(int)
    assert np.abs(alpha - np.asarray(cut.getchannel("A"))).max() <= (4 if name == "avif" else 0)


def test_jpg_has_no_transparency(cut):
    with pytest.raises(OutputError, match="add --background white"):
        OutputFormat("jpg").require_transparency()
    OutputFormat("png").require_transparency()
    with pytest.raises(OutputError, match="cannot be written as jpg"):
        OutputFormat("jpg").encode(cut)


@pytest.mark.parametrize("name", ["jpg", "webp", "avif"])
def test_lower_quality_is_a_smaller_file(noise, name):
    image = Image.fromarray(noise(48, 64))
    sizes = [len(OutputFormat(name, quality).encode(image)) for quality in (10, 90, None)]
    assert sizes[0] < sizes[1]
    assert sizes[0] < sizes[2]


def test_higher_png_level_is_a_smaller_file(grey):
    stored, packed = (OutputFormat(png_level=level).encode(grey) for level in (0, 9))
    assert len(packed) < len(stored) / 4
    np.testing.assert_array_equal(read(packed), read(stored))


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"name": "bmp"}, "choose one of png, webp, jpg, avif"),
        ({"quality": 50}, "png is lossless"),
        ({"name": "jpg", "quality": 0}, "expected 1 to 100"),
        ({"name": "webp", "png_level": 3}, "set a quality"),
        ({"png_level": 10}, "expected 0 to 9"),
    ],
)
def test_settings_that_a_format_does_not_have_are_refused(settings, cause):
    with pytest.raises(ArgumentError, match=cause):
        OutputFormat(**settings)


def test_names_end_in_formats():
    names = ("a.PNG", "a.jpeg", "a.JPG", "a.webp", "a.avif", "a.gif", "a")
    expected = ["png", "jpg", "jpg", "webp", "avif", None, None]
    assert [format_of(Path(name)) for name in names] == expected


def test_a_picture_that_is_too_large_for_the_format_is_an_error():
    with pytest.raises(OutputError, match="cannot be written as webp"):
        OutputFormat("webp").encode(Image.new("L", (16384, 1)))


@pytest.fixture
def photo(cut):
    """A JPEG, turned by its EXIF, with a place, a thumbnail's tags and a colour profile."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "Ada"
    exif[ExifTags.Base.ImageWidth] = 999
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:01:02 03:04:05"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 999
    file = io.BytesIO()
    cut.convert("RGB").save(file, "JPEG", exif=exif, icc_profile=SRGB)
    return Image.open(file)


@pytest.mark.parametrize("name", FORMATS)
def test_metadata_is_carried_and_upright(photo, grey, name):
    metadata = read_metadata(photo)
    pixels = Image.fromarray(np.asarray(photo))
    picture = read(OutputFormat(name).encode(pixels, metadata))
    exif = picture.getexif()
    assert exif.get(ExifTags.Base.Orientation, 1) == 1  # AVIF leaves 1 out
    assert exif[ExifTags.Base.Artist] == "Ada"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    assert details[ExifTags.Base.DateTimeOriginal] == "2026:01:02 03:04:05"
    assert ExifTags.Base.ImageWidth not in exif
    assert ExifTags.Base.ExifImageWidth not in details
    assert picture.info["icc_profile"] == SRGB
    map = read(OutputFormat(name).encode(grey, metadata))
    assert map.getexif()[ExifTags.Base.Artist] == "Ada"
    assert "icc_profile" not in map.info, "a map has no colours"
    bare = read(OutputFormat(name).encode(pixels))
    assert not len(bare.getexif())
    assert not bare.info.get("icc_profile")


def test_files_without_metadata_have_none_and_other_profiles_are_dropped(grey):
    assert read_metadata(read(OutputFormat().encode(grey))) == ImageMetadata(None, None)
    file = io.BytesIO()
    cmyk_profile = SRGB[:16] + b"CMYK" + SRGB[20:]
    Image.new("CMYK", (4, 4)).save(file, "JPEG", icc_profile=cmyk_profile)
    assert read_metadata(Image.open(file)).icc_profile is None


def test_tags_of_a_tiff_that_store_its_pixels_are_dropped(grey):
    file = io.BytesIO()
    grey.save(file, "TIFF", artist="Ada")
    exif = Image.Exif()
    exif.load(read_metadata(Image.open(file)).exif)
    assert dict(exif) == {ExifTags.Base.Artist: "Ada"}


def animated(format: str, **options) -> Image.Image:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(file, format, save_all=True, append_images=frames[1:], **options)
    return Image.open(file)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("name", ["png", "webp", "avif"])
def test_animations_keep_frames_durations_and_loops(format, name):
    frames = read_frames(animated(format, duration=[40, 80, 120], loop=2), "a.gif", 1)
    images = [frame.convert("RGB") for frame in frames]
    image = Image.open(io.BytesIO(OutputFormat(name).encode_animation(images, frames.animation)))
    assert image.n_frames == 3
    durations = []
    for number, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        image.seek(number)
        pixel = image.convert("RGB").getpixel((5, 5))
        np.testing.assert_allclose(pixel, colour, atol=12)
        durations.append(image.info["duration"])
    assert durations == [40, 80, 120]
    if "AVIF" not in (format, name.upper()):  # Pillow stores no loops in AVIF
        assert image.info["loop"] == 2


def test_one_picture_and_pages_are_no_animation(grey):
    assert read_frames(read(OutputFormat().encode(grey)), "a.png", 1) is None
    assert read_frames(animated("TIFF"), "a.tiff", 1) is None


def test_all_frames_together_are_limited():
    with pytest.raises(ImageError, match=r"a\.gif: 3 frames of 30x20 are 0\.0018 megapixels"):
        read_frames(animated("GIF"), "a.gif", 0.0017)


@pytest.mark.parametrize(
    ("name", "sizes", "cause"),
    [("jpg", (9, 9), "jpg has no animations"), ("png", (9, 8), "leave out --crop")],
)
def test_what_cannot_be_an_animation_is_refused(name, sizes, cause):
    frames = [Image.new("L", (size, 9)) for size in sizes]
    with pytest.raises(OutputError, match=cause):
        OutputFormat(name).encode_animation(frames, Animation([100, 100]))
