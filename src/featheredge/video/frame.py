"""The frames of a video between decoding and encoding.

Shapes: `H W` pixels of a frame.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame with its time.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright; (H, W, 4) RGBA, not premultiplied, for a cut-out.
        pts: Time of the frame, in units of the stream's time base.
        duration: How long the frame is shown, in the same units; 0 if unknown.
    """

    pixels: NDArray[np.uint8]
    pts: int
    duration: int = 0


@dataclass(frozen=True)
class Timing:
    """The times of a video stream.

    Attributes:
        time_base: Unit of `Frame.pts`, in seconds.
        rate: Average number of frames per second.
        aspect: Width of a pixel divided by its height, after rotation.
    """

    time_base: Fraction
    rate: Fraction
    aspect: Fraction = Fraction(1)
