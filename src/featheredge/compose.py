"""From a saliency map to a picture: soft masks, cut-outs, other backgrounds.

Scores are absolute: a map that nowhere reaches the threshold shows no object, which is an answer
and never becomes a cut-out of noise.

Shapes: H W pixels of the picture.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.compositing import Background, backdrop, foreground, over
from featheredge.errors import ArgumentError, NoObjectError
from featheredge.image import MAX_MEGAPIXELS, ImageSource, load, quantise
from featheredge.maps import cached_session
from featheredge.refine import refine
from featheredge.session import Session
from featheredge.subject import MIN_SHARE, Subject, select_subject

SOFTNESS = 0.2


def cutout(
    image: ImageSource,
    *,
    model: str | Path | Session | None = None,
    threshold: float = 0.5,
    background: Background | None = None,
    crop: bool = False,
    margin: float = 0.05,
    subject: Subject = "all",
    min_share: float = MIN_SHARE,
    threads: int = 1,
    max_megapixels: float = MAX_MEGAPIXELS,
    on_dropped: Callable[[int], None] | None = None,
) -> Image.Image | NDArray[np.uint8]:
    """Cut the salient object out of one image, with crisp borders.

    Args:
        image: A path, bytes, a binary file object, a PIL image or an array; see `load_image`.
        model: A name in the catalog, the path of an .onnx file or a session for saliency; None is
            the default saliency model. What was named stays loaded for the next call.
        threshold: What the map must reach somewhere for there to be an object, and where its
            border is drawn; above 0, at most 1.
        background: What to put behind; None leaves it transparent.
        crop: Crop to the object.
        margin: What to leave around it, as a share of its longer side.
        subject: "largest" keeps the largest connected part alone; "all" keeps every part that is
            not an island.
        min_share: Parts smaller than this share of the largest one's area are islands and are
            dropped; 0 keeps them.
        threads: Threads that compute the image; those of a session are its own.
        max_megapixels: Larger images are refused.
        on_dropped: Called with the number of parts that were dropped, if there are any.

    Returns:
        The same kind of thing as `image`: for an array an array, (H, W, 4) uint8 RGBA, not
        premultiplied; else a PIL image. With a background (H, W, 3) RGB. Fully transparent pixels
        do not hold what was there.

    Raises:
        NoObjectError: The map nowhere reaches the threshold.
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.
    """
    session = cached_session(model, "saliency", threads)
    pixels = load(image, max_megapixels=max_megapixels)
    map = session(pixels, max_megapixels=max_megapixels)
    try:
        _require_object(map, threshold)  # by what the network says, before any border moves
        selected = select_subject(map, threshold, subject=subject, min_share=min_share)
        refined = refine(selected.map, pixels)
        composed = compose(pixels, refined, threshold, background, crop, margin)
    except NoObjectError as error:
        raise NoObjectError(f"{_name(image)}: {error}") from None
    if on_dropped and selected.num_dropped:
        on_dropped(selected.num_dropped)
    return composed if isinstance(image, np.ndarray) else Image.fromarray(composed)


def subject_mask(image: NDArray[np.uint8], map: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the opacities of what a map marks, without islands and with crisp borders.

    Args:
        image: (H, W, 3) uint8 RGB.
        map: (H, W) float32 in [0, 1], as a saliency network gives it.

    Returns:
        (H, W) float32 in [0, 1].
    """
    return soft_mask(refine_subject(image, map))


def refine_subject(
    image: NDArray[np.uint8], map: NDArray[np.float32], threshold: float = 0.5
) -> NDArray[np.float32]:
    """Return the map of a subject without islands and with crisp borders.

    Args:
        image: (H, W, 3) uint8 RGB.
        map: (H, W) float32 in [0, 1], as a saliency network gives it.
        threshold: What counts as inside, above 0 and at most 1.

    Returns:
        (H, W) float32 in [0, 1].
    """
    return refine(select_subject(map, threshold).map, image)


def compose(
    image: NDArray[np.uint8],
    map: NDArray[np.float32],
    threshold: float = 0.5,
    background: Background | None = None,
    crop: bool = False,
    margin: float = 0.05,
) -> NDArray[np.uint8]:
    """Cut out what a map marks; the arguments are those of `cutout`.

    Args:
        image: (H, W, 3) uint8 RGB.
        map: (H, W) float32 in [0, 1], with crisp borders.
        threshold: Where the border is drawn.
        background: What to put behind; None leaves it transparent.
        crop: Crop to the object.
        margin: What to leave around it, as a share of its longer side.

    Returns:
        (H, W, 4) uint8 RGBA, or (H, W, 3) RGB with a background; smaller where cropped.

    Raises:
        NoObjectError: The map nowhere reaches the threshold.
        ArgumentError: A number is out of its range.
        ImageError: The background is not readable.
    """
    alpha = quantise(soft_mask(map, threshold))
    _require_object(map, threshold)
    if crop:
        area = bounding_box(map >= threshold, margin)
        image, alpha = image[area], alpha[area]
    subject = foreground(image, alpha)
    if background is None:
        return np.dstack([subject, alpha])
    return over(subject, alpha, backdrop(background, image, alpha))


def soft_mask(
    map: NDArray[np.float32], threshold: float = 0.5, softness: float = SOFTNESS
) -> NDArray[np.float32]:
    """Turn a map into opacities: a ramp from 0 to 1 about the threshold, as wide as `softness`.

    Args:
        map: (H, W) float32 in [0, 1].
        threshold: The middle of the ramp, above 0 and at most 1.
        softness: From 0, a hard border, to 1, with threshold 0.5 the map itself. The ramp ends
            where the map's range does: 0 stays 0 and 1 stays 1.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ArgumentError: A number is out of its range.
    """
    if not (0 < threshold <= 1 and 0 <= softness <= 1):
        raise ArgumentError(
            f"threshold and softness are {threshold} and {softness}; expected above 0 and at "
            "most 1, and between 0 and 1"
        )
    low = np.float32(max(threshold - softness / 2, 0))
    high = np.float32(min(threshold + softness / 2, 1))
    if high - low < 1e-6:
        return (map >= threshold).astype(np.float32)
    mask = np.subtract(map, low, dtype=np.float32)
    mask /= high - low  # in float32 like the map, or 1 would not stay 1 on a steep ramp
    return np.clip(mask, 0, 1, out=mask)


def bounding_box(mask: NDArray[np.bool_], margin: float) -> tuple[slice, slice]:
    """Return the rows and columns of what is True, and `margin` of its longer side around it.

    Raises:
        ArgumentError: `margin` is negative or not finite.
    """
    if not 0 <= margin < np.inf:
        raise ArgumentError(f"margin is {margin}; expected 0 or more")
    ends = [np.flatnonzero(mask.any(axis=axis))[[0, -1]] + (0, 1) for axis in (1, 0)]
    border = round(margin * max(stop - start for start, stop in ends))
    rows, columns = (
        slice(max(int(start) - border, 0), min(int(stop) + border, length))
        for (start, stop), length in zip(ends, mask.shape, strict=True)
    )
    return rows, columns


def _require_object(map: NDArray[np.float32], threshold: float) -> None:
    if (highest := float(map.max())) < threshold:
        raise NoObjectError(
            f"no salient object: the map's highest value is {highest:.2f}, below the threshold "
            f"{threshold:g}; lower the threshold to cut out what there is"
        )


def _name(source: ImageSource) -> str:
    """What error messages call a picture."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the picture"
