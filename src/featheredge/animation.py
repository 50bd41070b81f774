"""Animated GIF, WebP, PNG and AVIF files: their frames one by one, and how long each is shown."""

from collections.abc import Iterator

from PIL import Image

from featheredge.errors import ImageError
from featheredge.output_format import Animation
from featheredge.stages import stage

_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
_DEFAULT_MS = 100  # what browsers show frames for that have no duration


class Frames:
    """The frames of an animated file, decoded one at a time."""

    def __init__(self, image: Image.Image, name: str) -> None:
        self._image, self._name = image, name
        self.count: int = getattr(image, "n_frames", 1)

    def __iter__(self) -> Iterator[Image.Image]:
        """Yield (H, W) RGBA pictures.

        Raises:
            ImageError: A frame cannot be decoded.
        """
        self._durations_ms: list[int] = []
        for number in range(self.count):
            yield self._decode(number)

    @property
    def animation(self) -> Animation:
        """How the frames that were read are shown."""
        # A GIF without this entry is shown once.
        loop = self._image.info.get("loop", 1 if self._image.format == "GIF" else 0)
        return Animation(self._durations_ms, loop)

    @stage("decode")
    def _decode(self, number: int) -> Image.Image:
        try:
            self._image.seek(number)
            frame = self._image.convert("RGBA")
        except Exception as error:  # decoders raise errors of many classes on damaged files
            raise ImageError(
                f"{self._name}: frame {number + 1} cannot be decoded: {error}"
            ) from error
        self._durations_ms.append(round(self._image.info.get("duration", 0)) or _DEFAULT_MS)
        return frame


def read_frames(image: Image.Image, name: str, max_megapixels: float) -> Frames | None:
    """Return the frames of an animated file; None for a file with one picture.

    Args:
        image: An opened image file; pages of a TIFF file are no animation.
        name: Its name in error messages.
        max_megapixels: Limit of all frames together, because the output holds all of them.

    Raises:
        ImageError: It has more pixels than the limit.
    """
    if image.format not in _ANIMATED or not getattr(image, "is_animated", False):
        return None
    frames = Frames(image, name)
    megapixels = frames.count * image.width * image.height / 1e6
    if megapixels > max_megapixels:
        raise ImageError(
            f"{name}: {frames.count} frames of {image.width}x{image.height} are {megapixels:.4g} "
            f"megapixels, over the limit of {max_megapixels:g}; raise --max-megapixels, or add "
            "--frames first"
        )
    return frames
