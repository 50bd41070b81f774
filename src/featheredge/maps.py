"""Edge and saliency maps in one function call; the networks stay loaded for the next call."""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featheredge.catalog import Task
from featheredge.image import MAX_MEGAPIXELS, ImageSource
from featheredge.session import Session
from featheredge.weights_file import is_path


def edges(
    image: ImageSource,
    *,
    model: str | Path | Session | None = None,
    threads: int = 1,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> NDArray[np.float32]:
    """Find the edges in one image; the network stays loaded for the next call.

    Args:
        image: A path, bytes, a binary file object, a PIL image or an array; see `load_image`.
        model: The name of a shipped model, the path of an .onnx file, or an edge session. None is
            the default edge model.
        threads: Threads for inference; ignored if `model` is a session, which has its own.
        max_megapixels: Larger images raise an error.

    Returns:
        (H, W) float32 in [0, 1]: the probability that each pixel lies on an edge.

    Raises:
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.
    """
    return cached_session(model, "edges", threads)(image, max_megapixels=max_megapixels)


def saliency(
    image: ImageSource,
    *,
    model: str | Path | Session | None = None,
    threads: int = 1,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> NDArray[np.float32]:
    """Find the salient objects in one image; the network stays loaded for the next call.

    Args:
        image: A path, bytes, a binary file object, a PIL image or an array; see `load_image`.
        model: The name of a shipped model, the path of an .onnx file, or a saliency session. None
            is the default saliency model.
        threads: Threads for inference; ignored if `model` is a session, which has its own.
        max_megapixels: Larger images raise an error.

    Returns:
        (H, W) float32 in [0, 1]: the probability that each pixel belongs to a salient object.
        Values are absolute: an image without a salient object has low values everywhere.

    Raises:
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.
    """
    return cached_session(model, "saliency", threads)(image, max_megapixels=max_megapixels)


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
