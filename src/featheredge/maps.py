"""The map of one image in one call; the networks stay loaded for the next."""

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
        model: A name in the catalog, the path of an .onnx file or a session for edges; None is
            the default edge model.
        threads: Threads that compute the image; those of a session are its own.
        max_megapixels: Larger images are refused.

    Returns:
        (H, W) float32 in [0, 1]: how likely each pixel lies on an edge.

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
    """Find what stands out in one image; the network stays loaded for the next call.

    Args:
        image: A path, bytes, a binary file object, a PIL image or an array; see `load_image`.
        model: A name in the catalog, the path of an .onnx file or a session for saliency; None
            is the default saliency model.
        threads: Threads that compute the image; those of a session are its own.
        max_megapixels: Larger images are refused.

    Returns:
        (H, W) float32 in [0, 1]: how likely each pixel belongs to a salient object. Absolute, so
        that a picture without one has low values everywhere.

    Raises:
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.
    """
    return cached_session(model, "saliency", threads)(image, max_megapixels=max_megapixels)


def cached_session(model: str | Path | Session | None, task: Task, threads: int) -> Session:
    """Return a session for a task: the one given, or one that stays loaded for the next calls.

    The last four stay loaded, each until its .onnx file changes.

    Raises:
        FeatheredgeError: As `Session`.
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
    """Modification time and size of a model's file; None for a name, or if there is no file."""
    try:
        found = model.stat() if isinstance(model, Path) else None
    except (OSError, ValueError):  # what is wrong with the path is said when it is opened
        return None
    return found and (found.st_mtime_ns, found.st_size)
