"""Formats of answers: chosen by the Accept header, encoded from maps and cut-outs.

Shapes: `H W` pixels.
"""

import io
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray
from PIL import Image

from featheredge.png import encode_map, encode_png, quantise

Output: TypeAlias = NDArray[np.float32] | Image.Image | str
"""A map, (H, W) float32 in [0, 1], a cut-out, RGBA or RGB, or the text of an SVG file."""

PNG, WEBP, SVG = "image/png", "image/webp", "image/svg+xml"

FORMATS = (PNG, WEBP)
"""The media types of maps and cut-outs; the first is the default."""

EDGE_FORMATS = (*FORMATS, SVG)
"""The media types of edges."""

_WEBP_MAX_PX = 16383
_WEBP_QUALITY = 90


def negotiate(accept: str, formats: Sequence[str]) -> str:
    """Return the media type of the answer.

    Args:
        accept: The Accept header (RFC 9110, section 12.5.1); empty accepts everything.
        formats: The media types that are possible.

    Raises:
        HTTPException: 406 if no format of the server is accepted.
    """
    ranges = _ranges(accept or "*/*")
    best = max(formats, key=lambda format: _quality(format, ranges))  # the first of equals
    if _quality(best, ranges) > 0:
        return best
    raise HTTPException(
        406, f"Accept is {accept[:200]!r}; expected it to allow {' or '.join(formats)}"
    )


def encode(output: Output, format: str) -> bytes:
    """Encode a map or a cut-out.

    Args:
        output: The map is written as 8 bits, round(255 p), without loss in every format.
        format: One of `EDGE_FORMATS`. WebP stores the colours of cut-outs with quality 90, their
            opacities without loss.

    Raises:
        HTTPException: 406 if the picture is too large for the format.
    """
    if isinstance(output, str):
        return output.encode()
    if format == PNG:
        return encode_png(output) if isinstance(output, Image.Image) else encode_map(output)
    is_map = not isinstance(output, Image.Image)
    image = output if isinstance(output, Image.Image) else Image.fromarray(quantise(output))
    if max(image.size) > _WEBP_MAX_PX:
        raise HTTPException(
            406,
            f"the result has {image.width}x{image.height} pixels, WebP at most {_WEBP_MAX_PX} a "
            f"side; send Accept: {PNG}",
        )
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=is_map, quality=_WEBP_QUALITY)
    return file.getvalue()


def _ranges(accept: str) -> dict[str, float]:
    """Return the quality of every media range; a range whose quality is no number is left out."""
    ranges: dict[str, float] = {}
    for item in accept.lower().split(","):
        kind, *parameters = (text.strip() for text in item.split(";"))
        qualities = [text[2:] for text in parameters if text.startswith("q=")]
        try:
            ranges[kind] = float(qualities[0]) if qualities else 1.0
        except ValueError:
            continue
    return ranges


def _quality(format: str, ranges: dict[str, float]) -> float:
    """Return the quality of a format: that of the most specific range which includes it."""
    family = format.partition("/")[0]
    for name in (format, f"{family}/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0
