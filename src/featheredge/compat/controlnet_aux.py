"""The interface of controlnet_aux's edge detectors, such as `PidiNetDetector` and `HEDdetector`.

Shapes: `H W` pixels of the image; `h w` pixels of the result.
"""

import os
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from featheredge.errors import ArgumentError
from featheredge.image import ImageSource, load
from featheredge.maps import infer
from featheredge.nms import suppress
from featheredge.png import quantise
from featheredge.resize import resize
from featheredge.session import Session

_STEPS = 2  # levels of `safe`, as in controlnet_aux
_SCRIBBLE = 0.5


class FeatherEdgeDetector:
    """An edge detector with the interface of controlnet_aux's.

    The image is resized so that its shorter side has `detect_resolution` pixels, and the result so
    that it has `image_resolution`. Unlike in controlnet_aux, sides are not rounded to multiples of
    64: the result keeps the shape of the image.

    Example:
        >>> from featheredge.compat import FeatherEdgeDetector
        >>> from PIL import Image
        >>> detector = FeatherEdgeDetector.from_pretrained("mobile-edge-s")
        >>> detector(Image.open("examples/coffee.jpg"), image_resolution=256).size
        (384, 256)
    """

    def __init__(self, session: Session | None = None) -> None:
        """Use an edge session; None opens the default model."""
        self.session = session or Session(task="edges")
        self.session.require("edges")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_or_path: str | os.PathLike[str] | None = None,
        filename: str | None = None,
        cache_dir: str | None = None,
        local_files_only: bool = False,
    ) -> "FeatherEdgeDetector":
        """Open a network.

        Args:
            pretrained_model_or_path: A shipped edge model, an .onnx file, a folder with one, or a
                repository of the Hugging Face hub, such as "user/name". None is the default model.
            filename: The .onnx file in the folder or repository; None is model.onnx.
            cache_dir: Where downloads are kept; None is the hub's default.
            local_files_only: Whether to use earlier downloads only.

        Raises:
            FeatheredgeError: The network cannot be found or opened.
        """
        from featheredge.hub import MODEL_FILE, from_pretrained

        name = pretrained_model_or_path
        if name is None:
            return cls()
        session = from_pretrained(
            os.fspath(name),
            filename=filename or MODEL_FILE,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        return cls(session)

    def to(self, device: object) -> "FeatherEdgeDetector":
        """Return the detector; it runs where its session runs, here the CPU.

        Raises:
            ArgumentError: The device is not the CPU.
        """
        if not str(device).startswith("cpu"):
            raise ArgumentError(
                f"device is {device}; expected cpu: for others, give "
                "featheredge.Session(..., provider=...) to the constructor"
            )
        return self

    def __call__(
        self,
        input_image: ImageSource,
        detect_resolution: int = 512,
        image_resolution: int = 512,
        safe: bool = False,
        output_type: Literal["pil", "np"] = "pil",
        scribble: bool = False,
        apply_filter: bool = False,
        **kwargs: Any,
    ) -> Image.Image | NDArray[np.uint8]:
        """Find edges.

        Args:
            input_image: A PIL image, an array (H, W, 3) uint8 RGB, or another image source.
            detect_resolution: Shorter side that the network sees, in pixels.
            image_resolution: Shorter side of the result, in pixels.
            safe: Whether to reduce the map to three levels.
            output_type: "pil" for a PIL image, "np" for an array.
            scribble: Whether to thin the edges and draw them as bold white lines.
            apply_filter: Whether to make the map black and white at 0.5.
            **kwargs: Refused, except the old name `return_pil`.

        Returns:
            (h, w, 3) uint8, white on black, or a PIL image in mode RGB.

        Raises:
            ArgumentError: An argument is unknown or out of range.
            ImageError: The image cannot be read.
        """
        if "return_pil" in kwargs:
            output_type = "pil" if kwargs.pop("return_pil") else "np"
        if kwargs or output_type not in ("pil", "np"):
            named = ", ".join(kwargs) or f"output_type={output_type!r}"
            raise ArgumentError(f"got {named}; expected output_type 'pil' or 'np', no other name")
        if min(detect_resolution, image_resolution) < 16:
            raise ArgumentError(
                f"detect_resolution is {detect_resolution} and image_resolution is "
                f"{image_resolution}; expected at least 16 pixels"
            )
        pixels = load(input_image)
        map = infer(self.session, resize(pixels, *_scaled(pixels, detect_resolution)))
        if apply_filter:
            map = (map > 0.5).astype(np.float32)
        if safe:
            map = np.floor(map * (_STEPS + 1)).clip(0, _STEPS).astype(np.float32) / np.float32(
                _STEPS
            )
        map = resize(map, *_scaled(pixels, image_resolution))
        grey = quantise(_scribbled(map) if scribble else map)
        result = np.repeat(grey[..., None], 3, axis=2)
        return Image.fromarray(result) if output_type == "pil" else result


def _scaled(pixels: NDArray[np.uint8], shorter_px: int) -> tuple[int, int]:
    """Return (height, width) of a copy with this shorter side."""
    height, width = pixels.shape[:2]
    scale = shorter_px / min(height, width)
    return round(height * scale), round(width * scale)


def _scribbled(map: NDArray[np.float32]) -> NDArray[np.float32]:
    """Draw thin edges as lines several pixels wide, black and white."""
    lines = Image.fromarray(quantise((suppress(map) >= _SCRIBBLE).astype(np.float32)))
    width = max(round(min(map.shape) / 128) | 1, 3)
    return np.asarray(lines.filter(ImageFilter.MaxFilter(width)), np.float32) / np.float32(255)
