"""The work on one picture: decode, run a network, compose, each step timed.

Shapes: `H W` pixels.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.compose import cutout as cut_out
from featheredge.compose import refine_subject
from featheredge.looks import contours_svg
from featheredge.looks.contours import THRESHOLD
from featheredge.nms import suppress
from featheredge.opacity import soft_mask
from featheredge.png import binarise
from featheredge.server.formats import SVG, Output
from featheredge.server.options import CutoutOptions, EdgeOptions, Options, SaliencyOptions
from featheredge.session import Session


class Steps:
    """Times of the steps of one request.

    Attributes:
        seconds: Step -> its time, in order.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - started

    def header(self) -> str:
        """Return the value of a Server-Timing header, in milliseconds."""
        return ", ".join(
            f"{name};dur={1000 * seconds:.1f}" for name, seconds in self.seconds.items()
        )


def draw(
    session: Session, pixels: NDArray[np.uint8], options: Options, format: str, steps: Steps
) -> Output:
    """Run the network on a picture and make what the options ask for.

    Args:
        session: A session of the endpoint's task.
        pixels: (H, W, 3) uint8 RGB.
        options: The options of the endpoint, which decide what is made.
        format: The media type of the answer; SVG asks for contours.
        steps: Receives the times.

    Raises:
        NoObjectError: A cut-out of a picture without a salient object.
    """
    match options:
        case EdgeOptions() if format == SVG:
            return _contours(session, pixels, options, steps)
        case EdgeOptions():
            return _edges(session, pixels, options, steps)
        case SaliencyOptions():
            return _saliency(session, pixels, options, steps)
        case CutoutOptions():
            return _cutout(session, pixels, options, steps)


def _edges(
    session: Session, pixels: NDArray[np.uint8], options: EdgeOptions, steps: Steps
) -> Output:
    with steps.step("network"):
        map = session(pixels, max_megapixels=np.inf)
    if options.thin:
        with steps.step("thin"):
            map = suppress(map)
    return map if options.threshold is None else binarise(map, options.threshold)


def _contours(
    session: Session, pixels: NDArray[np.uint8], options: EdgeOptions, steps: Steps
) -> Output:
    """Draw contours; they are thin already, so the option `thin` changes nothing."""
    with steps.step("network"):
        map = session(pixels, max_megapixels=np.inf)
    with steps.step("contours"):
        return contours_svg(map, THRESHOLD if options.threshold is None else options.threshold)


def _saliency(
    session: Session, pixels: NDArray[np.uint8], options: SaliencyOptions, steps: Steps
) -> Output:
    threshold = options.threshold
    with steps.step("network"):
        map = session(pixels, max_megapixels=np.inf)
    if options.refine:
        with steps.step("refine"):
            map = refine_subject(pixels, map, threshold or 0.5)
            map = soft_mask(map) if threshold is None else map
    return map if threshold is None else binarise(map, threshold)


def _cutout(
    session: Session, pixels: NDArray[np.uint8], options: CutoutOptions, steps: Steps
) -> Output:
    with steps.step("cutout"):
        cut = cut_out(
            pixels,
            model=session,
            threshold=options.threshold,
            background=options.backdrop(),
            crop=options.crop,
            margin=options.margin,
            subject=options.subject,
            min_share=options.min_share,
            max_megapixels=np.inf,
        )
    assert isinstance(cut, np.ndarray)  # an array in, an array out
    return Image.fromarray(cut)
