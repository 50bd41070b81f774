"""Edge and saliency maps in one function call; the networks stay loaded for the next call."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featheredge.catalog import Task
from featheredge.errors import ArgumentError
from featheredge.image import MAX_MEGAPIXELS, Channels, ImageSource, load
from featheredge.resize import check_scales, fit_inside, resize, scaled
from featheredge.session import Session
from featheredge.weights_file import is_path

_MIN_SIZE = 16
_ONE_SCALE = (1.0,)


def edges(
    image: ImageSource,
    *,
    model: str | Path | Session | None = None,
    size: int | None = None,
    scales: Sequence[float] = _ONE_SCALE,
    channels: Channels = "rgb",
    threads: int = 1,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> NDArray[np.float32]:
    """Find the edges in one image; the network stays loaded for the next call.

    Args:
        image: A path, bytes, a binary file object, a PIL image, an array or a tensor; see
            `load_image`.
        model: The name of a shipped model, the path of an .onnx file, or an edge session. None is
            the default edge model.
        size: Working size. If the image's longer side is larger, the network sees a copy of this
            size, in pixels, and the map is resized back. Large photos then show contours instead
            of texture, in a fraction of the time. None is the image's own size.
        scales: The map is the mean of those of copies resized by these factors, each resized back
            (RCF, section 3.4). (0.5, 1, 1.5) scores better than (1,) and takes 3.5 times as long.
        channels: "bgr" if an array or tensor has OpenCV's channel order.
        threads: Threads for inference; ignored if `model` is a session, which has its own.
        max_megapixels: Larger images raise an error.

    Returns:
        (H, W) float32 in [0, 1]: the probability that each pixel lies on an edge.

    Raises:
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.

    Example:
        >>> import featheredge as fe
        >>> map = fe.edges("examples/coffee.jpg")
        >>> map.shape, map.dtype
        ((400, 600), dtype('float32'))
        >>> fe.edges("examples/coffee.jpg", size=300).shape  # seen at 300x200, resized back
        (400, 600)
    """
    session = cached_session(model, "edges", threads)
    pixels = load(image, channels=channels, max_megapixels=max_megapixels)
    return infer(session, pixels, size, scales)


def saliency(
    image: ImageSource,
    *,
    model: str | Path | Session | None = None,
    channels: Channels = "rgb",
    threads: int = 1,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> NDArray[np.float32]:
    """Find the salient objects in one image; the network stays loaded for the next call.

    Args:
        image: A path, bytes, a binary file object, a PIL image, an array or a tensor; see
            `load_image`.
        model: The name of a shipped model, the path of an .onnx file, or a saliency session. None
            is the default saliency model.
        channels: "bgr" if an array or tensor has OpenCV's channel order.
        threads: Threads for inference; ignored if `model` is a session, which has its own.
        max_megapixels: Larger images raise an error.

    Returns:
        (H, W) float32 in [0, 1]: the probability that each pixel belongs to a salient object.
        Values are absolute: an image without a salient object has low values everywhere.

    Raises:
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.

    Example:
        >>> import featheredge as fe
        >>> map = fe.saliency("examples/cat.jpg")
        >>> map.shape, map.dtype
        ((300, 451), dtype('float32'))
    """
    session = cached_session(model, "saliency", threads)
    pixels = load(image, channels=channels, max_megapixels=max_megapixels)
    return session(pixels, max_megapixels=np.inf)


def infer(
    session: Session,
    pixels: NDArray[np.uint8],
    size: int | None = None,
    scales: Sequence[float] = _ONE_SCALE,
) -> NDArray[np.float32]:
    """Return the map of an image, inferred at a working size and at several scales of it.

    Args:
        session: A network.
        pixels: (H, W, 3) uint8 RGB.
        size: The longer side that the network sees at most, in pixels; None is the image's own.
        scales: Factors on the working size; the maps of all are averaged.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ArgumentError: `size` is below 16, or `scales` is empty or not above 0.
        WeightsError: The network fails, or its map has NaN or values outside [0, 1].
    """
    if size is not None and size < _MIN_SIZE:
        raise ArgumentError(f"size is {size}; expected at least {_MIN_SIZE} pixels")
    check_scales(scales)
    height, width = pixels.shape[:2]
    working = fit_inside(height, width, size or max(height, width))
    maps = [_infer_at(session, pixels, scaled(*working, scale)) for scale in scales]
    return maps[0] if len(maps) == 1 else np.mean(maps, axis=0)


def _infer_at(
    session: Session, pixels: NDArray[np.uint8], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the map of an image, seen at another height and width and resized back."""
    if size == pixels.shape[:2]:
        return session(pixels, max_megapixels=np.inf)
    return resize(session(resize(pixels, *size), max_megapixels=np.inf), *pixels.shape[:2])


def cached_session(model: str | Path | Session | None, task: Task, threads: int) -> Session:
    """Return `model` if it is a session, else open one and keep it for the next calls.

    The last four sessions stay loaded; a session is opened again when its .onnx file changes.

    Raises:
        FeatheredgeError: The model cannot be opened or is for another task; see `Session`.
    """
    if isinstance(model, Session):
        model.require(task)
        return model
    if is_path(model):
        model = Path(model).absolute()
    return _open_cached(model, _file_state(model), task, threads)


@functools.lru_cache(maxsize=4)
def _open_cached(
    model: str | Path | None, state: tuple[int, int] | None, task: Task, threads: int
) -> Session:
    return Session(model, task=task, threads=threads)


def _file_state(model: str | Path | None) -> tuple[int, int] | None:
    """Return modification time and size of a model file; None for a name or a missing file."""
    try:
        found = model.stat() if isinstance(model, Path) else None
    except (OSError, ValueError):  # `Session` raises the error for a bad path
        return None
    return found and (found.st_mtime_ns, found.st_size)
