"""The interface of rembg: `remove` and `new_session`.

Same arguments, same kinds of results; the masks are those of `featheredge.cutout`.

Shapes: `H W` pixels of the image.
"""

import os
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from featheredge.compose import subject_alpha
from featheredge.compositing import foreground
from featheredge.errors import ArgumentError
from featheredge.image import load
from featheredge.maps import cached_session
from featheredge.png import binarise, encode_png, quantise
from featheredge.session import Session


def new_session(model_name: str | Path | None = None, *args: Any, **kwargs: Any) -> Session:
    """Open a session for `remove`, as rembg's function of this name does.

    Args:
        model_name: A saliency model of featheredge or the path of an .onnx file; None is the
            default model. Models of rembg are not available.
        *args: Refused: rembg hands them to its own models.
        **kwargs: `threads` (by default OMP_NUM_THREADS, as in rembg) and `provider` of `Session`.

    Raises:
        ArgumentError: Arguments of rembg's models are given.
        FeatheredgeError: The model cannot be opened; see `Session`.
    """
    unknown = [*map(str, args), *(kwargs.keys() - {"threads", "provider"})]
    if unknown:
        raise ArgumentError(
            f"new_session got {', '.join(unknown)}; expected threads and provider as keywords"
        )
    asked = int(os.environ.get("OMP_NUM_THREADS", 1))
    threads = kwargs.pop("threads", min(asked, os.cpu_count() or 1))
    return Session(model_name, task="saliency", threads=threads, **kwargs)


@overload
def remove(data: bytes, *args: Any, **kwargs: Any) -> bytes: ...
@overload
def remove(data: Image.Image, *args: Any, **kwargs: Any) -> Image.Image: ...
@overload
def remove(data: NDArray[np.uint8], *args: Any, **kwargs: Any) -> NDArray[np.uint8]: ...
def remove(
    data: bytes | Image.Image | NDArray[np.uint8],
    alpha_matting: bool = False,
    alpha_matting_foreground_threshold: int = 240,
    alpha_matting_background_threshold: int = 10,
    alpha_matting_erode_size: int = 10,
    session: Session | None = None,
    only_mask: bool = False,
    post_process_mask: bool = False,
    decontaminate: bool = False,
    vitmatte: bool = False,
    vitmatte_model: str | None = None,
    bgcolor: tuple[int, int, int, int] | None = None,
    force_return_bytes: bool = False,
    *args: Any,
    **kwargs: Any,
) -> bytes | Image.Image | NDArray[np.uint8]:
    """Remove the background of an image, as rembg's function of this name does.

    As in rembg, an image without an object becomes fully transparent, where `featheredge.cutout`
    raises an error.

    Args:
        data: The bytes of an image file, a PIL image, or (H, W), (H, W, 3) RGB or (H, W, 4) RGBA
            uint8.
        alpha_matting: Accepted; without effect, like its three numbers: half transparent pixels
            always get the object's own colours, so that no fringe of the old background stays.
        alpha_matting_foreground_threshold: Without effect.
        alpha_matting_background_threshold: Without effect.
        alpha_matting_erode_size: Without effect.
        session: A session from `new_session`; None opens the default model and keeps it.
        only_mask: Whether to return the mask, (H, W) uint8 or mode "L", in place of the cut-out.
        post_process_mask: Whether to smooth the mask and make it black and white.
        decontaminate: Accepted; always done.
        vitmatte: Must be False: it needs a large network.
        vitmatte_model: Must be None.
        bgcolor: Red, green, blue and opacity of a new background, 0 to 255 each.
        force_return_bytes: Whether to return the bytes of a PNG file for every kind of `data`.
        *args: Refused.
        **kwargs: `putalpha=True` keeps the image's colours in transparent pixels.

    Returns:
        The same kind as `data`: PNG bytes, a PIL image, or an array; (H, W, 4) uint8 RGBA.

    Raises:
        ArgumentError: An argument is not available here.
        ValueError: `data` is of another kind, as in rembg.
        FeatheredgeError: The image cannot be read, or the session is for another task.

    Example:
        >>> from pathlib import Path
        >>> from featheredge.compat import remove
        >>> png = remove(Path("examples/cat.jpg").read_bytes())
        >>> png[1:4]
        b'PNG'
    """
    putalpha = bool(kwargs.pop("putalpha", False))
    unknown = [*map(str, args), *kwargs, *(["vitmatte"] if vitmatte or vitmatte_model else [])]
    if unknown:
        raise ArgumentError(
            f"remove got {', '.join(unknown)}, which featheredge does not have; leave it out"
        )
    if not isinstance(data, (bytes, Image.Image, np.ndarray)):
        raise ValueError(
            f"Input type {type(data)} is not supported; give bytes, a PIL image or an array"
        )
    pixels = load(data)
    mask = _mask(pixels, session, post_process_mask)
    if only_mask:
        result = Image.fromarray(mask)
    else:
        cut = np.dstack([pixels, mask]) if putalpha else foreground(pixels, mask)
        result = Image.fromarray(cut)
        if bgcolor is not None:
            result = Image.alpha_composite(Image.new("RGBA", result.size, tuple(bgcolor)), result)
    if isinstance(data, bytes) or force_return_bytes:
        return encode_png(result)
    return np.asarray(result) if isinstance(data, np.ndarray) else result


def _mask(
    pixels: NDArray[np.uint8], session: Session | None, post_process: bool
) -> NDArray[np.uint8]:
    """Return the opacities of the object, (H, W) uint8."""
    mask = subject_alpha(pixels, cached_session(session, "saliency", 1), max_megapixels=np.inf)
    if not post_process:
        return mask
    opened = Image.fromarray(mask).filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MaxFilter(3))
    smooth = np.asarray(opened.filter(ImageFilter.GaussianBlur(2)), np.float32) / 255
    return quantise(binarise(smooth, 0.5))
