"""Cut-outs from saliency maps, with a transparent or a new background.

Map values are absolute and never stretched. If no pixel reaches the threshold, the image has no
salient object, and `cutout` raises an error instead of cutting out noise.

Shapes: `H W` pixels of the image.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.blocks import areas
from featheredge.compositing import Background, backdrop, foreground, over
from featheredge.cutout_confidence import confidence
from featheredge.errors import ArgumentError, NoObjectError
from featheredge.image import MAX_MEGAPIXELS, Channels, ImageSource, load, swap_red_and_blue
from featheredge.maps import cached_session
from featheredge.opacity import SOFTNESS, border_level, opacities, ramp, soft_mask
from featheredge.png import quantise
from featheredge.random_walk import settle
from featheredge.refine import FIT_PX, apply_lines, apply_to_image, bounds, fit_lines, refine
from featheredge.resize import fit_inside, resize, small_copy
from featheredge.session import Session
from featheredge.subject import MIN_SHARE, Selected, Subject, select_subject
from featheredge.tensor_layout import Tensor


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
    channels: Channels = "rgb",
    threads: int = 1,
    max_megapixels: float = MAX_MEGAPIXELS,
    on_dropped: Callable[[int], None] | None = None,
) -> Image.Image | NDArray[np.uint8]:
    """Cut the salient object out of one image, with sharp borders.

    Args:
        image: A path, bytes, a binary file object, a PIL image, an array or a tensor; see
            `load_image`.
        model: The name of a shipped model, the path of an .onnx file, or a saliency session. None
            is the default saliency model. The model stays loaded for the next call.
        threshold: Map value of the object's border, above 0 and at most 1. If no pixel reaches
            it, the image has no object.
        background: New background; None leaves the background transparent.
        crop: Whether to crop to the object.
        margin: Margin around the object if cropped, as a share of its longer side.
        subject: "largest" keeps only the largest connected part; "all" keeps every part of at
            least `min_share` of its area.
        min_share: Smaller parts are dropped, as a share of the largest part's area; 0 keeps all.
        channels: "bgr" if an array or tensor has OpenCV's channel order; the result then has it
            too.
        threads: Threads for inference; ignored if `model` is a session, which has its own.
        max_megapixels: Larger images raise an error.
        on_dropped: Called with the number of dropped parts, if any.

    Returns:
        An array if `image` is an array or a tensor, else a PIL image: (H, W, 4) uint8 RGBA, not
        premultiplied, or (H, W, 3) RGB with a background. Fully transparent pixels do not keep
        the colours of the image. `info["confidence"]` of a PIL image is the `confidence` of the
        cut-out; its alpha channel is the mask.

    Raises:
        NoObjectError: No pixel of the map reaches the threshold.
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.

    Example:
        >>> import featheredge as fe
        >>> cut = fe.cutout("examples/cat.jpg")
        >>> cut.mode, cut.size
        ('RGBA', (451, 300))
        >>> mask = cut.getchannel("A")
        >>> 0 < cut.info["confidence"] < 1
        True
    """
    session = cached_session(model, "saliency", threads)
    pixels = load(image, channels=channels, max_megapixels=max_megapixels)
    try:
        cut = cut_out(
            pixels,
            session,
            threshold=threshold,
            background=background,
            crop=crop,
            margin=margin,
            subject=subject,
            min_share=min_share,
        )
    except NoObjectError as error:
        raise NoObjectError(f"{_name(image)}: {error}") from None
    if on_dropped and cut.num_dropped:
        on_dropped(cut.num_dropped)
    if isinstance(image, (np.ndarray, Tensor)):
        return cut.pixels if channels == "rgb" else swap_red_and_blue(cut.pixels)
    picture = Image.fromarray(cut.pixels)
    picture.info["confidence"] = cut.confidence
    return picture


@dataclass(frozen=True)
class CutOut:
    """A cut-out and what is known about it.

    Attributes:
        pixels: (H, W, 4) uint8 RGBA, or (H, W, 3) RGB with a background; smaller if cropped.
        mask: (H, W) uint8, the opacity of the object, of the same size.
        confidence: How well it fits the object, in [0, 1]; see `confidence`.
        num_dropped: Number of small parts that were dropped.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    confidence: float
    num_dropped: int


def cut_out(
    image: NDArray[np.uint8],
    session: Session,
    *,
    threshold: float = 0.5,
    background: Background | None = None,
    crop: bool = False,
    margin: float = 0.05,
    subject: Subject = "all",
    min_share: float = MIN_SHARE,
) -> CutOut:
    """Find the salient object of an image and cut it out; the steps of `cutout`.

    Args:
        image: (H, W, 3) uint8 RGB.
        session: A saliency session.
        threshold: See `cutout`, also for the other arguments.
        background: New background.
        crop: Whether to crop to the object.
        margin: Margin around the object.
        subject: Which parts to keep.
        min_share: Which parts are small.

    Raises:
        NoObjectError: No pixel of the map reaches the threshold.
        FeatheredgeError: An argument is not usable; the message says why.
    """
    small = small_copy(image, FIT_PX)
    map = subject_map(image, session)
    _require_object(map, threshold)  # on the network's own map, before borders are refined
    selected = _find_subject(map, small, threshold, subject, min_share)
    alpha = _refined_alpha(selected.map, image, small, threshold)
    if alpha.max() < border_level(threshold):
        _require_object(refine(selected.map, image), threshold)
    pixels, mask = _compose(image, alpha, small, threshold, background, crop, margin)
    return CutOut(pixels, mask, confidence(map, threshold), selected.num_dropped)


def subject_mask(image: NDArray[np.uint8], map: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the opacities of the subject, without small parts and with sharp borders.

    Unsure pixels are decided by their colours, see `featheredge.random_walk`.

    Args:
        image: (H, W, 3) uint8 RGB.
        map: (H, W) float32 in [0, 1], the output of a saliency network.

    Returns:
        (H, W) float32 in [0, 1].

    Example:
        >>> import featheredge as fe
        >>> pixels = fe.load_image("examples/cat.jpg")
        >>> mask = fe.subject_mask(pixels, fe.saliency(pixels))
        >>> mask.shape
        (300, 451)
    """
    return soft_mask(refine_subject(image, map))


def refine_subject(
    image: NDArray[np.uint8], map: NDArray[np.float32], threshold: float = 0.5
) -> NDArray[np.float32]:
    """Return the map of the subject, without small parts and with sharp borders.

    Args:
        image: (H, W, 3) uint8 RGB.
        map: (H, W) float32 in [0, 1], the output of a saliency network.
        threshold: Pixels at or above it are inside; above 0 and at most 1.

    Returns:
        (H, W) float32 in [0, 1].
    """
    small = small_copy(image, FIT_PX)
    return apply_to_image(fit_lines(_find_subject(map, small, threshold).map, small), image)


def subject_alpha(
    image: ImageSource,
    session: Session,
    threshold: float = 0.5,
    softness: float = SOFTNESS,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> NDArray[np.uint8]:
    """Find the salient objects of an image and return their opacities, as `cutout` uses them.

    Args:
        image: See `cutout`.
        session: A saliency session.
        threshold: Map value of the object's border.
        softness: See `soft_mask`.
        max_megapixels: Larger images raise an error.

    Returns:
        (H, W) uint8, 255 is opaque; 0 everywhere if there is no object.
    """
    pixels = load(image, max_megapixels=max_megapixels)
    small, map = small_copy(pixels, FIT_PX), subject_map(pixels, session)
    selected = _find_subject(map, small, threshold)
    return _refined_alpha(selected.map, pixels, small, threshold, softness)


def subject_map(image: NDArray[np.uint8], session: Session) -> NDArray[np.float32]:
    """Return the map of an image at the size at which `refine` fits borders to it.

    Args:
        image: (H, W, 3) uint8 RGB.
        session: A saliency session.

    Returns:
        (h, w) float32 in [0, 1], smaller than a large image.
    """
    size = fit_inside(image.shape[0], image.shape[1], FIT_PX)
    if session.input_px is None:  # such a network has maps of the image's size only
        return resize(session(image, max_megapixels=np.inf), *size)
    return session(image, max_megapixels=np.inf, size=size)


def _find_subject(
    map: NDArray[np.float32],
    small: NDArray[np.uint8],
    threshold: float,
    subject: Subject = "all",
    min_share: float = MIN_SHARE,
) -> Selected:
    """Decide the unsure pixels of a map, and keep the parts that belong to the subject."""
    settled = settle(map, small, threshold)
    return select_subject(settled, threshold, subject=subject, min_share=min_share)


def _refined_alpha(
    map: NDArray[np.float32],
    image: NDArray[np.uint8],
    small: NDArray[np.uint8],
    threshold: float,
    softness: float = SOFTNESS,
) -> NDArray[np.uint8]:
    """Return the opacities of a refined map, computed only in blocks that can have a border.

    Args:
        map: Float32 in [0, 1], of any size.
        image: (H, W, 3) uint8 RGB.
        small: Small copy of the image.
        threshold: See `soft_mask`.
        softness: See `soft_mask`.

    Returns:
        (H, W) uint8: the same as from `refine`, `soft_mask` and `quantise`.
    """
    shape = image.shape[:2]
    low, high = ramp(threshold, softness)
    lines = fit_lines(map, small)
    lowest, highest = bounds(lines, shape)
    alpha = np.zeros(shape, np.uint8)
    inside = lowest > high
    for area in areas(inside, shape):
        alpha[area] = 255
    for area in areas(~inside & (highest >= low), shape):
        alpha[area] = quantise(opacities(apply_lines(lines, image, area), threshold, softness))
    return alpha


def compose(
    image: NDArray[np.uint8],
    map: NDArray[np.float32],
    threshold: float = 0.5,
    background: Background | None = None,
    crop: bool = False,
    margin: float = 0.05,
) -> NDArray[np.uint8]:
    """Cut an object out of an image, given its map.

    Args:
        image: (H, W, 3) uint8 RGB.
        map: (H, W) float32 in [0, 1], with sharp borders.
        threshold: Map value of the object's border.
        background: New background; None leaves the background transparent.
        crop: Whether to crop to the object.
        margin: Margin around the object if cropped, as a share of its longer side.

    Returns:
        (H, W, 4) uint8 RGBA, or (H, W, 3) RGB with a background; smaller if cropped.

    Raises:
        NoObjectError: No pixel of the map reaches the threshold.
        ArgumentError: A number is out of range.
        ImageError: The background cannot be read.
    """
    alpha = quantise(soft_mask(map, threshold))
    _require_object(map, threshold)
    small = small_copy(image, FIT_PX)
    return _compose(image, alpha, small, threshold, background, crop, margin)[0]


def _compose(
    image: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    small: NDArray[np.uint8],
    threshold: float,
    background: Background | None,
    crop: bool,
    margin: float,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pixels of a cut-out and its opacities; `small` is the image's small copy."""
    if crop:
        area = bounding_box(alpha >= border_level(threshold), margin)
        image, alpha = image[area], alpha[area]
        small = small_copy(image, FIT_PX)
    layer = foreground(image, alpha, small)
    if background is None:
        return layer, alpha
    return over(layer, backdrop(background, image, alpha)), alpha


def bounding_box(mask: NDArray[np.bool_], margin: float) -> tuple[slice, slice]:
    """Return the rows and columns of the True pixels, with a margin around them.

    Args:
        mask: (H, W) bool, at least one pixel True.
        margin: Margin on each side, as a share of the longer side of the box.

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
            f"{threshold:g}; to cut out less certain objects, lower the threshold (--threshold)"
        )


def _name(source: ImageSource) -> str:
    """Return the name of an image in error messages."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "the image"))
