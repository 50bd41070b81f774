"""Image loading: decode any image source to an (H, W, 3) uint8 RGB array.

Shapes: `H W` pixels.
"""

import io
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from featheredge import heic
from featheredge.errors import ArgumentError, ImageError, MissingExtraError
from featheredge.pixel_values import to_uint8
from featheredge.stages import stage
from featheredge.tensor_layout import Tensor, to_array

ImageSource: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | Image.Image
    | NDArray[Any]
    | Tensor
)
"""The sources of `load`: a path, a file's bytes, a binary file object, a PIL image, an array or a
tensor."""

Channels: TypeAlias = Literal["rgb", "bgr"]
"""The channel order of arrays and tensors: OpenCV reads images as "bgr"."""

MAX_MEGAPIXELS = 100.0

IMAGE_SUFFIXES = frozenset(
    [".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
).union(heic.SUFFIXES)
"""Files with these suffixes are images in a folder; a file given by name can have any suffix."""

Number = TypeVar("Number", bound=np.generic)

_WIDE_GREY = ("I", "F")  # read as arrays, like every "I;16…": Pillow's conversion clips values
_pillow_limit = threading.Lock()


@stage("decode")
def load(
    source: ImageSource,
    *,
    channels: Channels = "rgb",
    max_megapixels: float = MAX_MEGAPIXELS,
) -> NDArray[np.uint8]:
    """Read an image as 8-bit RGB.

    Files can have any format that Pillow reads. The EXIF orientation is applied, and only the
    first frame is read. Grey, palette, CMYK and 16-bit images are converted, 16 bits by rounding
    v / 257. Colour profiles are not applied. Transparent pixels are composited on white.

    Args:
        source: A path, the bytes of a file, a binary file object, a PIL image, or an array of
            shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA with dtype uint8, uint16,
            bool or floating point in [0, 1]. A PyTorch tensor can have these shapes, or its
            channels first.
        channels: "bgr" if an array or tensor has its channels in OpenCV's order, BGR or BGRA.
        max_megapixels: Larger images raise an error before they are decoded.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous, H and W at least 1.

    Raises:
        ImageError: `source` is not a readable image; the message names it and the cause.
        ArgumentError: `channels` is unknown, or is "bgr" for a source that is no array or tensor.
        MissingExtraError: It is a HEIC image and the plug-in that reads HEIC is not installed.

    Warns:
        UserWarning: A 16-bit image has no value above 255, so that it is nearly black.

    Example:
        >>> import featheredge as fe
        >>> pixels = fe.load_image("examples/coffee.jpg")
        >>> pixels.shape, pixels.dtype
        ((400, 600, 3), dtype('uint8'))
        >>> fe.load_image(pixels[..., ::-1], channels="bgr").shape  # as cv2.imread returns it
        (400, 600, 3)
    """
    if isinstance(source, Tensor):
        array = _in_rgb(to_array(source), channels)
        return _from_array(array, "the tensor", max_megapixels)
    if isinstance(source, np.ndarray):
        return _from_array(_in_rgb(source, channels), "the array", max_megapixels)
    if channels != "rgb":
        raise ArgumentError(
            f"channels is {channels!r} for {type(source).__name__}; expected 'rgb': files and PIL "
            "images know their channels, only arrays and tensors can be 'bgr'"
        )
    if isinstance(source, Image.Image):
        name = f"the {source.mode} image"
        check_size(source.width, source.height, max_megapixels, name)
        with failures_named(name):
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
        "a binary file object, a PIL image, a numpy array or a tensor"
    )


def refuse_url(text: str) -> None:
    """Raise an error for a URL, which would otherwise be read as a path.

    Raises:
        ImageError: `text` is a URL.
    """
    if re.match(r"(https?|ftp|file):/", text):
        raise ImageError(
            f"{text} is a URL; download the file first and give its path (or add --allow-urls)"
        )


def _open_file(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the path
        raise ImageError(f"{str(path)!r} is not a path: {error}") from error


def _decode(file: IO[bytes], name: str, max_megapixels: float) -> NDArray[np.uint8]:
    """Read an image file; `name` identifies it in error messages."""
    image = open_image(file, name)
    check_size(image.width, image.height, max_megapixels, name)
    with failures_named(name):
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image, name)


def open_image(file: IO[bytes], name: str) -> Image.Image:
    """Read the header of an image file; its pixels are decoded later, by Pillow.

    Args:
        file: A binary file object that can seek.
        name: Its name in error messages.

    Raises:
        ImageError: The file is not an image.
        MissingExtraError: It is a HEIC image and the plug-in that reads HEIC is not installed.
    """
    with failures_named(name), _pillow_limit_lifted():
        return _identify(file)


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
    """Switch off Pillow's size limit, which is process-wide; `check_size` has its own limit."""
    with _pillow_limit:
        saved, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = saved


@contextmanager
def failures_named(name: str) -> Iterator[None]:
    """Convert every error of a decoder to an ImageError with the name of the image.

    Args:
        name: The name of the image in error messages.

    On damaged files, decoders raise errors of many classes (OSError, SyntaxError, struct.error,
    EOFError, ...), so all of them are caught. Only Pillow runs inside the block.
    """
    try:
        yield
    except ImageError:
        raise
    except MissingExtraError as error:
        raise MissingExtraError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image, or its format is not supported") from error
    except Exception as error:
        raise ImageError(f"{name}: cannot be decoded; it may be damaged: {error}") from error


def check_size(width: int, height: int, max_megapixels: float, name: str) -> None:
    """Refuse an image without pixels, or with more than the limit.

    Raises:
        ImageError: The size is out of range; the message has the `name` of the image.
    """
    if width < 1 or height < 1:
        raise ImageError(f"{name}: no pixels ({width}x{height}); expected at least 1x1")
    if not width * height <= max_megapixels * 1e6:  # also for a limit that is NaN
        raise ImageError(
            f"{name}: {width}x{height} is {width * height / 1e6:.4g} megapixels, over the limit "
            f"of {max_megapixels:g}; to read it, raise max_megapixels (--max-megapixels)"
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
    if image.mode == "I":  # 32-bit integers: some readers return them for 16-bit files
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"{name}: 32-bit values from {values.min()} to {values.max()}; expected 0..65535"
            )
        values = values.astype(np.uint16)
    if (clear := image.info.get("transparency")) is not None:
        values[values == clear] = 1 if image.mode == "F" else 65535
    return _from_array(values, name, np.inf)


def _in_rgb(array: NDArray[Any], channels: Channels) -> NDArray[Any]:
    """Return (H, W, C) with its channels in the order RGB or RGBA; grey stays."""
    if channels not in ("rgb", "bgr"):
        raise ArgumentError(f"channels is {channels!r}; choose one of rgb, bgr")
    if channels == "rgb" or array.ndim != 3:
        return array
    return swap_red_and_blue(array)


def swap_red_and_blue(array: NDArray[Number]) -> NDArray[Number]:
    """Convert (H, W, C) between RGB and BGR, or RGBA and BGRA; other numbers of channels stay."""
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(array.shape[2])
    return array if order is None else array[..., order]


def _from_array(array: NDArray[Any], name: str, max_megapixels: float) -> NDArray[np.uint8]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"{name}: shape {array.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), "
            "channels last"
        )
    check_size(array.shape[1], array.shape[0], max_megapixels, name)
    pixels = to_uint8(array, name)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return _to_rgb(Image.fromarray(pixels), name)
    grey = pixels.reshape(*pixels.shape[:2], -1)
    return np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3)))
