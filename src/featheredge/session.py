"""Session: inference of a network with ONNX Runtime or OpenVINO, images in, maps out.

Edge networks process an image at its own size, and a large image in tiles. Saliency networks
process the whole image at once, resized to the square size that their weights file states.

Shapes: `B` batch; `H W` pixels.
"""

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featheredge.catalog import Task
from featheredge.cpu_threads import Threads, resolve_threads
from featheredge.errors import ArgumentError, WeightsError
from featheredge.image import MAX_MEGAPIXELS, ImageSource, load
from featheredge.providers import Precision
from featheredge.resize import resize
from featheredge.stages import stage
from featheredge.tiling import round_up, run_tiled, spans
from featheredge.weights_file import is_path, open_network

_ROUNDING = 1e-3  # rounding errors up to this outside [0, 1] are clipped; more is an error


class Session:
    """A loaded network that converts images to maps.

    A session can be pickled; unpickling loads the network again.

    Attributes:
        name: Name of the network.
        task: What its maps show: "edges" or "saliency".
        stride: Images are padded to multiples of this by reflection, and maps are cropped back.
        input_px: Images are resized to a square of this side, and maps are resized back. None for
            a network that processes images at their own size.
        threads: Threads for inference; for "auto", the number that was chosen.

    Example:
        >>> import featheredge as fe
        >>> session = fe.Session("mobile-edge-xs")  # stays loaded
        >>> session("examples/coffee.jpg").shape
        (400, 600)
        >>> [map.shape for map in session.batch(["examples/coffee.jpg", "examples/cat.jpg"])]
        [(400, 600), (300, 451)]
    """

    name: str
    task: Task
    stride: int
    input_px: int | None
    threads: int

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        task: Task | None = None,
        threads: Threads = 1,
        provider: str = "cpu",
        precision: Precision = "fp32",
        tile_px: int = 1344,
        overlap_px: int = 448,
    ) -> None:
        """Load a network.

        Args:
            model: The name of a shipped model or the path of an .onnx file, or of an .xml file for
                OpenVINO. None is the default model of the task.
            task: The task that the model must have. None accepts any task; without `model`, it
                opens the default edge model.
            threads: Threads for inference, at most four per core of the machine. "auto" takes
                the idle cores, see `featheredge.cpu_threads.auto_threads`.
            provider: Execution provider: "cpu", "cuda", "openvino", ... There is no fallback to
                another provider.
            precision: Type of the arithmetic. "bf16" needs provider "openvino" and a processor
                with bfloat16; single pixels of a map can then differ by more than 0.1.
            tile_px: Images wider or higher than this run in tiles of at most this side, except
                for networks with `input_px`. Rounded up to the stride.
            overlap_px: Minimum overlap of neighbouring tiles. Rounded up to the stride.

        Raises:
            UnknownModelError: The name is not in the catalog, or the task has no shipped model.
            WeightsError: The file is missing, damaged, not written by featheredge, or for another
                task.
            ProviderError: The provider or the precision is not available.
            MissingExtraError: The provider is not installed.
            ArgumentError: A number is out of range.
        """
        self.threads = resolve_threads(threads)
        self._network, metadata = open_network(
            model,
            task or "edges",
            threads=self.threads,
            provider=provider,
            precision=precision,
        )
        self.name, self.task, self.stride = metadata.name, metadata.task, metadata.stride
        self.input_px, self._one_at_a_time = metadata.input_px, metadata.one_at_a_time
        self.require(task)
        self._model: str | Path | None = Path(model).absolute() if is_path(model) else model
        self._threads, self._provider, self._precision = threads, provider, precision
        self._tile_px = round_up(tile_px, self.stride)
        self._overlap_px = round_up(overlap_px, self.stride)
        if not 0 <= 2 * self._overlap_px <= self._tile_px:
            raise ArgumentError(
                f"overlap_px is {overlap_px} with tile_px {tile_px} and stride {self.stride}; "
                "expected an overlap_px from 0 to half of tile_px"
            )

    def __repr__(self) -> str:
        model = self.name if self._model is None else str(self._model)
        return (
            f"Session({model!r}, task={self.task!r}, threads={self._threads!r}, "
            f"provider={self._provider!r}, precision={self._precision!r})"
        )

    def __reduce__(self) -> "tuple[Callable[[], Session], tuple[()]]":
        open_again = functools.partial(
            Session,
            self.name if self._model is None else self._model,
            threads=self._threads,
            provider=self._provider,
            precision=self._precision,
            tile_px=self._tile_px,
            overlap_px=self._overlap_px,
        )
        return open_again, ()

    @stage("network")
    def __call__(
        self,
        image: ImageSource,
        *,
        max_megapixels: float = MAX_MEGAPIXELS,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.float32]:
        """Return the map of one image of any size.

        Args:
            image: Any source that `featheredge.load_image` reads.
            max_megapixels: Larger images raise an error.
            size: Height and width of the map, for a network with `input_px`; by default those of
                the image. A smaller map saves the time to enlarge it.

        Returns:
            (H, W) float32 in [0, 1], the size of the image or `size`.

        Raises:
            ImageError: The image cannot be read.
            ArgumentError: `size` is given for a network that processes images at their own size.
            WeightsError: The network fails, or its map has NaN or values outside [0, 1].
        """
        pixels = load(image, max_megapixels=max_megapixels)
        if self.input_px is not None:
            return self._infer_squares([pixels], self.input_px, size)[0]
        if size is not None:
            raise ArgumentError(
                f"{self.name} processes images at their own size; leave out size, or resize the "
                "image"
            )
        if max(pixels.shape) <= self._tile_px:
            return self._checked(self._infer_one(pixels))
        rows, columns = (
            spans(length, self._tile_px, self._overlap_px, self.stride)
            for length in pixels.shape[:2]
        )
        return self._checked(run_tiled(pixels, self._infer_one, rows, columns))

    def batch(
        self,
        images: Iterable[ImageSource],
        *,
        size: int = 1,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the maps of many images, in order. Images are read when they are needed.

        Args:
            images: Sources that `featheredge.load_image` reads.
            size: Maximum batch size. Larger batches are faster on accelerators and need more
                memory. Without `input_px`, only consecutive images of equal shape form a batch.
            max_megapixels: Larger images raise an error.

        Yields:
            (H, W) float32 in [0, 1] for each image.

        Raises:
            ImageError: An image cannot be read.
            ArgumentError: `size` is below 1, or `images` is a single path or file.
            WeightsError: The network fails, or a map has NaN or values outside [0, 1].
        """
        if size < 1:
            raise ArgumentError(f"size is {size}; expected at least 1")
        if isinstance(images, (str, bytes, os.PathLike)):
            raise ArgumentError(
                f"batch got one {type(images).__name__}; expected several images: give a list, or "
                "call session(image) for one image"
            )
        loaded = (load(image, max_megapixels=max_megapixels) for image in images)
        if self.input_px is not None:
            while chunk := list(itertools.islice(loaded, size)):
                yield from self._infer_squares(chunk, self.input_px)
        for shape, group in itertools.groupby(loaded, key=np.shape):
            if size == 1 or max(shape) > self._tile_px:
                yield from (self(pixels, max_megapixels=np.inf) for pixels in group)
                continue
            while chunk := list(itertools.islice(group, size)):
                yield from self._checked(self._infer(np.stack(chunk)))

    def require(self, task: Task | None) -> None:
        """Raise an error unless the network is for this task; None accepts any task.

        Raises:
            WeightsError: The network is for another task.
        """
        if task not in (None, self.task):
            raise WeightsError(
                f"{self.name} is a network for {self.task!r}; expected one for {task!r}: give "
                f"another model, or use this model for {self.task}"
            )

    def _infer_squares(
        self,
        images: Sequence[NDArray[np.uint8]],
        side_px: int,
        size: tuple[int, int] | None = None,
    ) -> list[NDArray[np.float32]]:
        """Infer images of any shapes, (H, W, 3) uint8, at square size -> (H, W) float32 each.

        `size` replaces H and W of the maps.
        """
        squares = np.stack([resize(image, side_px, side_px) for image in images])
        maps = self._checked(self._infer(squares))
        sizes = [size or image.shape[:2] for image in images]
        return [resize(map, *size) for map, size in zip(maps, sizes, strict=True)]

    def _infer_one(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Infer one image, (H, W, 3) uint8 -> (H, W) float32."""
        map: NDArray[np.float32] = self._infer(image[None])[0]
        return map

    def _infer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Infer a batch with padding to the stride, (B, H, W, 3) uint8 -> (B, H, W) float32."""
        height, width = images.shape[1:3]
        down, right = round_up(height, self.stride) - height, round_up(width, self.stride) - width
        padded = np.pad(images, ((0, 0), (0, down), (0, right), (0, 0)), mode="reflect")
        batches = np.split(padded, len(padded)) if self._one_at_a_time else [padded]
        try:
            maps = np.concatenate([self._network.run(["map"], {"image": x})[0] for x in batches])
        except Exception as error:  # the exceptions of the runtimes have no common base class
            raise WeightsError(
                f"{self.name}: the network fails on {width}x{height} pixels: {error}"
            ) from error
        if maps.shape != padded.shape[:3]:
            raise WeightsError(
                f"{self.name}: its map has shape {maps.shape}; expected {padded.shape[:3]}; the "
                "weights file is damaged, export it again"
            )
        cropped: NDArray[np.float32] = maps[:, :height, :width]
        return cropped

    def _checked(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return maps of any shape, clipped to [0, 1]; raise an error if values are far outside."""
        low, high = float(maps.min()), float(maps.max())  # NaN if any value is NaN
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise WeightsError(
                f"{self.name}: its map has values from {low:g} to {high:g}; expected 0 to 1; the "
                "weights file is damaged or was not written by `featheredge export`"
            )
        return maps if low >= 0 and high <= 1 else maps.clip(0, 1)
