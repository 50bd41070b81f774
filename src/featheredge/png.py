"""PNG output: binarise, quantise, encode and save maps.

Shapes: `H W` pixels. A map is (H, W) floating point in [0, 1].
"""

import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge import png_stream
from featheredge.errors import ArgumentError, ImageError, OutputError
from featheredge.files import write_bytes
from featheredge.pixel_values import check_unit, unit_to_uint8


def binarise(map: NDArray[np.floating[Any]], threshold: float = 0.5) -> NDArray[np.float32]:
    """Binarise a map, as `--threshold` does on the command line.

    Args:
        map: (H, W) floating point in [0, 1].
        threshold: Pixels at or above it become 1; above 0 and at most 1.

    Returns:
        (H, W) float32, 1 where the map is at least the threshold, else 0.

    Raises:
        ArgumentError: The threshold is out of range.
        ImageError: The map has NaN or values outside [0, 1].

    Example:
        >>> import numpy as np
        >>> import featheredge as fe
        >>> fe.binarise(np.array([[0.2, 0.5, 0.9]]), 0.5)
        array([[0., 1., 1.]], dtype=float32)
    """
    if not 0 < threshold <= 1:
        raise ArgumentError(f"threshold is {threshold}; expected above 0 and at most 1")
    check_unit(map, "the map")
    return (map >= threshold).astype(np.float32)


def quantise(map: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Convert a map to 8 bits, round(255 p), without stretching its range.

    Args:
        map: (H, W) floating point in [0, 1].

    Returns:
        (H, W) uint8 in [0, 255].

    Raises:
        ImageError: The map is not two-dimensional floating point, is empty, or has values outside
            [0, 1].
    """
    if map.ndim != 2 or not np.issubdtype(map.dtype, np.floating) or not map.size:
        raise ImageError(
            f"the map is {map.dtype} of shape {map.shape}; expected (H, W) floating point in [0, 1]"
        )
    return unit_to_uint8(map, "the map")


def save_map(map: NDArray[np.floating[Any]], path: str | os.PathLike[str]) -> None:
    """Write a map to an 8-bit greyscale PNG file, white on black, atomically.

    Args:
        map: (H, W) floating point in [0, 1], written as round(255 p) without stretching.
        path: The output file, ending in .png. Missing folders are created; an existing file is
            replaced.

    Raises:
        ImageError: The map has a wrong shape or dtype, or values outside [0, 1].
        OutputError: `path` cannot be written or does not end in .png.

    Example:
        >>> import featheredge as fe
        >>> fe.save_map(fe.edges("examples/coffee.jpg"), "edges.png")
        >>> fe.load_image("edges.png").shape
        (400, 600, 3)
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
    """Encode a map as a PNG file.

    Args:
        map: (H, W) floating point in [0, 1].

    Returns:
        The bytes of an 8-bit greyscale PNG.

    Raises:
        ImageError: The map has a wrong shape or dtype, or values outside [0, 1].
    """
    return encode_pixels(quantise(map))


def to_image(map: NDArray[np.floating[Any]]) -> Image.Image:
    """Convert a map to a PIL image, which notebooks show and `save` writes.

    Maps are plain arrays, so that every NumPy function does what it always does; a notebook shows
    them as numbers. This is the picture of one.

    Args:
        map: (H, W) floating point in [0, 1], converted to round(255 p) without stretching.

    Returns:
        An 8-bit greyscale image of W x H pixels, white on black.

    Raises:
        ImageError: The map has a wrong shape or dtype, or values outside [0, 1].

    Example:
        >>> import featheredge as fe
        >>> fe.to_image(fe.edges("examples/coffee.jpg")).size
        (600, 400)
    """
    return Image.fromarray(quantise(map))


def encode_png(image: Image.Image) -> bytes:
    """Encode an image as a PNG file: its pixels only, without metadata."""
    if png_stream.available() and image.mode in ("L", "RGB", "RGBA"):
        return png_stream.encode(np.asarray(image))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return file.getvalue()


def encode_pixels(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels as a PNG file; `encode_png` does the same for an image of Pillow.

    Args:
        pixels: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA uint8.
    """
    if png_stream.available():
        return png_stream.encode(pixels)
    return encode_png(Image.fromarray(pixels))
