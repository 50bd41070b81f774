"""Session: a weights file that turns images into maps, on ONNX Runtime.

Shapes: B batch, H W pixels.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError, WeightsError
from featheredge.image import MAX_MEGAPIXELS, ImageSource, load
from featheredge.tiling import round_up, run_tiled, spans
from featheredge.weights_file import open_network


class Session:
    """A loaded network: image in, map out.

    Attributes:
        name: Name of the network.
        task: What its maps mean: "edges".
        stride: Images are padded to multiples of it, by reflection, and maps cropped back.
    """

    name: str
    task: str
    stride: int

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        threads: int = 1,
        provider: str = "cpu",
        tile_px: int = 1344,
        overlap_px: int = 448,
    ) -> None:
        """Load a network.

        Args:
            model: A name in the catalog or the path of an .onnx file; None is the default edge
                model.
            threads: Threads that compute one image. Small networks gain little from many.
            provider: Who computes: "cpu", "cuda", "openvino", ... Never anything else than asked.
            tile_px: Pictures wider or higher than this run in tiles of at most this side.
            overlap_px: What neighbouring tiles share at least. Both are rounded up to the stride.

        Raises:
            UnknownModelError: The catalog has no such name.
            WeightsError: The file is missing, damaged, or not one of ours.
            ProviderError: The provider is not there.
            ArgumentError: A number is out of its range.
        """
        if threads < 1:
            raise ArgumentError(f"threads is {threads}; expected at least 1")
        self._network, facts = open_network(model, threads, provider)
        self.name, self.task, self.stride = facts.name, facts.task, facts.stride
        self._tile_px = round_up(tile_px, self.stride)
        self._overlap_px = round_up(overlap_px, self.stride)
        if not 0 <= 2 * self._overlap_px <= self._tile_px:
            raise ArgumentError(
                f"overlap_px is {overlap_px} with tile_px {tile_px} and stride {self.stride}; "
                "expected between 0 and half of tile_px"
            )

    def __call__(
        self, image: ImageSource, *, max_megapixels: float = MAX_MEGAPIXELS
    ) -> NDArray[np.float32]:
        """Return the map of one image of any size.

        Args:
            image: Whatever `featheredge.load_image` reads.
            max_megapixels: Larger images are refused.

        Returns:
            (H, W) float32 in [0, 1], as large as the image.

        Raises:
            ImageError: The image cannot be read.
        """
        pixels = load(image, max_megapixels=max_megapixels)
        if max(pixels.shape) <= self._tile_px:
            return self._infer_one(pixels)
        rows, columns = (
            spans(length, self._tile_px, self._overlap_px, self.stride)
            for length in pixels.shape[:2]
        )
        return run_tiled(pixels, self._infer_one, rows, columns)

    def batch(
        self, images: Iterable[ImageSource], *, size: int = 1
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the maps of many images, in order, reading them as they are needed.

        Args:
            images: Whatever `featheredge.load_image` reads.
            size: Up to so many neighbours of equal shape go through the network at once, which
                pays on accelerators and costs memory.

        Yields:
            (H, W) float32 in [0, 1] for each image.

        Raises:
            ImageError: An image cannot be read.
            ArgumentError: `size` is below 1.
        """
        if size < 1:
            raise ArgumentError(f"size is {size}; expected at least 1")
        for shape, group in itertools.groupby(map(load, images), key=np.shape):
            if size == 1 or max(shape) > self._tile_px:
                yield from map(self, group)
                continue
            while chunk := list(itertools.islice(group, size)):
                yield from self._infer(np.stack(chunk))

    def _infer_one(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H, W, 3) uint8 -> (H, W) float32."""
        map: NDArray[np.float32] = self._infer(image[None])[0]
        return map

    def _infer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, H, W, 3) uint8 -> (B, H, W) float32, padded to the stride and cropped back."""
        height, width = images.shape[1:3]
        down, right = round_up(height, self.stride) - height, round_up(width, self.stride) - width
        padded = np.pad(images, ((0, 0), (0, down), (0, right), (0, 0)), mode="reflect")
        (maps,) = self._network.run(["map"], {"image": padded})
        cropped: NDArray[np.float32] = maps[:, :height, :width]
        return cropped


def edges(
    image: ImageSource, *, model: str | Path | None = None, threads: int = 1
) -> NDArray[np.float32]:
    """Find the edges in one image; the network stays loaded for the next call.

    Args:
        image: A path, bytes, a binary file object, a PIL image or an array; see `load_image`.
        model: A name in the catalog or the path of an .onnx file; None is the default edge model.
        threads: Threads that compute the image.

    Returns:
        (H, W) float32 in [0, 1]: how likely each pixel lies on an edge.

    Raises:
        FeatheredgeError: The image, the model or an argument is not usable; the message says why.
    """
    session = _kept_session(model, threads)
    if session.task != "edges":
        raise WeightsError(f"{session.name} is a network for {session.task!r}; expected 'edges'")
    return session(image)


@functools.lru_cache(maxsize=4)
def _kept_session(model: str | Path | None, threads: int) -> Session:
    return Session(model, threads=threads)
