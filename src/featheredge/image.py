"""Pictures in, maps out: anything that holds an image <-> one plain array.

Shapes: H W pixels. An image is (H, W, 3) uint8 RGB; a map is (H, W) float32 in [0, 1].
"""

import io
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from featheredge import heic
from featheredge.errors import ArgumentError, ImageError, MissingExtraError, OutputError
from featheredge.files import write_bytes
from featheredge.pixel_values import to_uint8, unit_to_uint8

ImageSource: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | NDArray[Any]
)
"""What `load` reads: a path, a file's bytes, a binary file object, a PIL image or an array."""

MAX_MEGAPIXELS = 100.0

IMAGE_SUFFIXES = frozenset(
    [".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
).union(heic.SUFFIXES)
"""What counts as an image in a folder; a file that is named is read whatever its suffix."""

_WIDE_GREY = ("I", "F")  # read as arrays, like every "I;16…": Pillow's own conversion clips them
_pillow_limit = threading.Lock()


def load(source: ImageSource, *, max_megapixels: float = MAX_MEGAPIXELS) -> NDArray[np.uint8]:
    """Read an image as 8-bit RGB.

    Files of any format that Pillow reads: the EXIF orientation is applied, of several frames the
    first is taken, and grey, palette, CMYK and 16-bit pictures are converted (16 bits by rounding
    v / 257; colour profiles are not applied). Whatever is transparent is composited on white.

    Args:
        source: A path, the bytes of a file, a binary file object, a PIL image, or an array of
            shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA holding uint8, uint16, bool
            or floating point numbers in [0, 1].
        max_megapixels: Larger pictures are refused, before they are decoded.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous, H and W at least 1.

    Raises:
        ImageError: `source` is not a readable image; the message names it and the cause.
        MissingExtraError: It is a HEIC picture and the plug-in that reads those is missing.

    Warns:
        UserWarning: A 16-bit image holds no value above 255, so that it is nearly black.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, "the array", max_megapixels)
    if isinstance(source, Image.Image):
        name = f"the {source.mode} image"
        _check_size(source.width, source.height, max_megapixels, name)
        with _failures_named(name):
            return _to_rgb(ImageOps.exif_transpose(source), name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(io.BytesIO(source), f"the {len(source)} bytes given", max_megapixels)
    if isinstance(source, (str, os.PathLike)):
        refuse_url(os.fspath(source))
        with _open_file(Path(source)) as file:
            return _decode(file, os.fspath(source), max_megapixels)
    if callable(getattr(source, "read", None)):
        return _decode(source, getattr(source, "name", "the stream"), max_megapixels)
    if isinstance(source, Sequence):
        raise ImageError(
            f"expected one image, not a {type(source).__name__} of {len(source)}; for several "
            "images use featheredge.Session(...).batch(images), for pixel values numpy.asarray"
        )
    raise ImageError(
        f"cannot read an image from {type(source).__name__}; expected a path, bytes, "
        "a binary file object, a PIL image or a numpy array"
    )


def refuse_url(text: str) -> None:
    """Raise an error for the address of a web page, which looks like a path.

    Raises:
        ImageError: `text` is a URL.
    """
    if re.match(r"(https?|ftp|file):/", text):
        raise ImageError(f"{text} is a URL; download the file first and give its path")


def binarise(map: NDArray[np.floating[Any]], threshold: float = 0.5) -> NDArray[np.float32]:
    """Turn a map into black and white, as `--threshold` does.

    Args:
        map: (H, W) floating point in [0, 1].
        threshold: The value from which a pixel is white; above 0, at most 1.

    Returns:
        (H, W) float32, 1 where the map is at least the threshold, else 0.

    Raises:
        ArgumentError: The threshold is out of its range.
    """
    if not 0 < threshold <= 1:
        raise ArgumentError(f"threshold is {threshold}; expected above 0 and at most 1")
    return (map >= threshold).astype(np.float32)


def quantise(map: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Turn a map into the 8-bit values it is saved with, round(255 p), never stretched.

    Args:
        map: (H, W) floating point in [0, 1].

    Returns:
        (H, W) uint8 in 0..255.

    Raises:
        ImageError: Not two-dimensional floating point, empty, or with values outside [0, 1].
    """
    if map.ndim != 2 or not np.issubdtype(map.dtype, np.floating) or not map.size:
        raise ImageError(
            f"a map must be (H, W) floating point, not {map.dtype} of shape {map.shape}"
        )
    return unit_to_uint8(map, "the map")


def save_map(map: NDArray[np.floating[Any]], path: str | os.PathLike[str]) -> None:
    """Write a map as an 8-bit greyscale PNG, white on black; whole or not at all.

    Args:
        map: (H, W) floating point in [0, 1]; written as round(255 p), never stretched.
        path: Where to, ending in .png; folders are made, an existing file is replaced.

    Raises:
        ImageError: `map` is not a map.
        OutputError: `path` cannot be written or does not end in .png.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise OutputError(f"{target}: maps are written as PNG; give a name that ends in .png")
    encoded = encode_map(map)
    try:
        write_bytes(target, encoded)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror}") from error


def encode_map(map: NDArray[np.floating[Any]]) -> bytes:
    """Return the PNG file that `save_map` writes.

    Args:
        map: (H, W) floating point in [0, 1].

    Returns:
        The bytes of an 8-bit greyscale PNG.

    Raises:
        ImageError: As `quantise`.
    """
    return encode_png(Image.fromarray(quantise(map)))


def encode_png(image: Image.Image) -> bytes:
    """Return a picture as a PNG file, pixels only: no metadata of the file it came from."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _open_file(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the path
        raise ImageError(f"{str(path)!r} is not a path: {error}") from error


def _decode(file: IO[bytes], name: str, max_megapixels: float) -> NDArray[np.uint8]:
    """Read an image file; `name` is what error messages call it."""
    with _failures_named(name):
        with _pillow_limit_lifted():
            image = _identify(file)
        _check_size(image.width, image.height, max_megapixels, name)
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image, name)


def _identify(file: IO[bytes]) -> Image.Image:
    """Read a file's header."""
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        if not heic.is_heic(file):
            raise
        heic.enable()
        return Image.open(file)


@contextmanager
def _pillow_limit_lifted() -> Iterator[None]:
    """Open files without Pillow's own size guard, a process-wide number: ours is checked next."""
    with _pillow_limit:
        saved, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = saved


@contextmanager
def _failures_named(name: str) -> Iterator[None]:
    """Turn what a decoder raises into an ImageError.

    Decoders raise anything on damaged files (OSError, SyntaxError, struct.error, EOFError, ...),
    so everything is caught; nothing but Pillow runs inside.
    """
    try:
        yield
    except ImageError:
        raise
    except MissingExtraError as error:
        raise MissingExtraError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image, or of a format that is not supported") from error
    except Exception as error:
        raise ImageError(f"{name}: cannot be decoded, it may be damaged: {error}") from error


def _check_size(width: int, height: int, max_megapixels: float, name: str) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"{name}: has no pixels ({width}x{height}); expected at least 1x1")
    if width * height > max_megapixels * 1e6:
        raise ImageError(
            f"{name}: {width}x{height} is {width * height / 1e6:.4g} megapixels, over the limit "
            f"of {max_megapixels:g}; raise max_megapixels (--max-megapixels) to read it"
        )


def _to_rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16") or image.mode in _WIDE_GREY:
        return _wide_grey_to_rgb(image, name)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image)


def _wide_grey_to_rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    values = np.array(image)
    if image.mode == "I":  # 32-bit integers, as some readers give 16-bit files
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"{name}: 32-bit values from {values.min()} to {values.max()}; expected 0..65535"
            )
        values = values.astype(np.uint16)
    if (clear := image.info.get("transparency")) is not None:
        values[values == clear] = 1 if image.mode == "F" else 65535
    return _from_array(values, name, np.inf)


def _from_array(array: NDArray[Any], name: str, max_megapixels: float) -> NDArray[np.uint8]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"{name}: shape {array.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), "
            "channels last"
        )
    _check_size(array.shape[1], array.shape[0], max_megapixels, name)
    pixels = to_uint8(array, name)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return _to_rgb(Image.fromarray(pixels), name)
    grey = pixels.reshape(*pixels.shape[:2], -1)
    return np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3)))
