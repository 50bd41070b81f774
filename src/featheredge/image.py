"""Pictures in, maps out: anything that holds an image <-> one plain array.

Shapes: H W pixels. An image is (H, W, 3) uint8 RGB; a map is (H, W) float32 in [0, 1].
"""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from featheredge.errors import ImageError
from featheredge.files import write_bytes

ImageSource: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | NDArray[Any]
)
"""What `load` reads: a path, a file's bytes, a binary file object, a PIL image or an array."""

MAX_MEGAPIXELS = 100.0

IMAGE_SUFFIXES = frozenset(
    [".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
)
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
        try:
            with Path(source).open("rb") as file:
                return _decode(file, os.fspath(source), max_megapixels)
        except OSError as error:
            raise ImageError(f"{os.fspath(source)}: {error.strerror or error}") from error
    if callable(getattr(source, "read", None)):
        return _decode(source, getattr(source, "name", "the stream"), max_megapixels)
    raise ImageError(
        f"cannot read an image from {type(source).__name__}; expected a path, bytes, "
        "a binary file object, a PIL image or a numpy array"
    )


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
    return _unit_to_uint8(map, "the map")


def save_map(map: NDArray[np.floating[Any]], path: str | os.PathLike[str]) -> None:
    """Write a map as an 8-bit greyscale PNG, white on black; whole or not at all.

    Args:
        map: (H, W) floating point in [0, 1]; written as round(255 p), never stretched.
        path: Where to, ending in .png; folders are made, an existing file is replaced.

    Raises:
        ImageError: `map` is not a map, or `path` cannot be written or does not end in .png.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ImageError(f"{target}: maps are written as PNG; give a name that ends in .png")
    encoded = encode_map(map)
    try:
        write_bytes(target, encoded)
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {error.strerror}") from error


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


def _decode(file: IO[bytes], name: str, max_megapixels: float) -> NDArray[np.uint8]:
    """Read an image file; `name` is what error messages call it."""
    with _failures_named(name):
        with _pillow_limit_lifted():
            image = Image.open(file)
        _check_size(image.width, image.height, max_megapixels, name)
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image, name)


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
    pixels = _to_uint8(array, name)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return _to_rgb(Image.fromarray(pixels), name)
    grey = pixels.reshape(*pixels.shape[:2], -1)
    return np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3)))


def _to_uint8(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        return _unit_to_uint8(array, name)
    raise ImageError(
        f"{name}: dtype {array.dtype}; expected uint8, uint16, bool or floating point in [0, 1]"
    )


def _unit_to_uint8(array: NDArray[np.floating[Any]], name: str) -> NDArray[np.uint8]:
    low, high = array.min(), array.max()  # either is NaN where any value is
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{name}: contains NaN or infinity; expected values in [0, 1]")
    if low < 0 or high > 1:
        raise ImageError(
            f"{name}: floating point values from {low:g} to {high:g}; expected [0, 1] "
            "(divide 8-bit values by 255)"
        )
    levels = np.empty(array.shape, np.uint8)
    for row, out in zip(array, levels, strict=True):  # no second large array beside a large map
        out[...] = np.rint(row * array.dtype.type(255))
    return levels
