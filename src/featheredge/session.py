"""Session: a weights file that turns images into maps, on ONNX Runtime.

Shapes: B batch, H W pixels. A weights file is ONNX with one input `image`, (B, H, W, 3) uint8
RGB, H and W multiples of its stride, and one output `map`, (B, H, W) float32 in [0, 1]:
normalisation and sigmoid are inside, so there is no preprocessing to get wrong. Its metadata
holds, under "featheredge", a JSON object with at least name, task and stride.
"""

import functools
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featheredge import catalog
from featheredge.errors import ArgumentError, ProviderError, WeightsError
from featheredge.image import MAX_MEGAPIXELS, ImageSource, load
from featheredge.tiling import round_up, run_tiled, spans

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""What users call an execution provider -> what ONNX Runtime calls it."""


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
        weights, origin = _read_weights(model)
        self._network = _open_network(weights, origin, threads, provider)
        facts = _check_network(self._network, origin)
        self.name, self.task, self.stride = facts["name"], facts["task"], facts["stride"]
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


def _read_weights(model: str | Path | None) -> tuple[bytes, str]:
    """Return a weights file and what messages call it; one from the catalog must match its hash."""
    if isinstance(model, Path) or (model and model.endswith(".onnx")):
        try:
            return Path(model).read_bytes(), str(model)
        except OSError as error:
            raise WeightsError(f"{model}: {error.strerror}") from error
    entry = catalog.default("edges") if model is None else catalog.find(model)
    path = catalog.weights_path(entry)
    weights = path.read_bytes()
    if (digest := hashlib.sha256(weights).hexdigest()) != entry.sha256:
        raise WeightsError(
            f"{path}: sha256 {digest}; expected {entry.sha256}; the file is damaged or replaced, "
            "reinstall featheredge"
        )
    return weights, entry.name


def _open_network(weights: bytes, origin: str, threads: int, provider: str) -> "InferenceSession":
    import onnxruntime

    there = onnxruntime.get_available_providers()
    wanted = PROVIDERS.get(provider)
    if wanted not in there:
        names = [name for name, full_name in PROVIDERS.items() if full_name in there]
        raise ProviderError(
            f"provider {provider!r} is not there; this ONNX Runtime has {', '.join(names)}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # would plan memory for every size it has seen, and keep it
    # Idle threads that spin steal the CPU from everyone else on a shared host. Denormals are left
    # to the CPU: flushing them changes the arithmetic of the calling thread for good.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        network = onnxruntime.InferenceSession(weights, options, providers=[wanted])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise WeightsError(f"{origin}: ONNX Runtime cannot load it: {error}") from error
    if network.get_providers()[0] != wanted:  # it only warns when a provider fails to start
        raise ProviderError(f"provider {provider!r} does not start here; see the log above")
    return network


def _parse_facts(metadata: str) -> dict[str, Any]:
    """Return the metadata's JSON object; empty if it is anything else."""
    try:
        facts = json.loads(metadata)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _check_network(network: "InferenceSession", origin: str) -> dict[str, Any]:
    """Return the facts in the metadata of a weights file, once it proves to be one of ours."""
    metadata = network.get_modelmeta().custom_metadata_map.get("featheredge")
    if metadata is None:
        raise WeightsError(
            f"{origin}: no featheredge metadata; expected a file that `featheredge export` wrote"
        )
    facts = _parse_facts(metadata)
    kinds = {"name": str, "task": str, "stride": int}
    if not all(type(facts.get(key)) is kind for key, kind in kinds.items()) or facts["stride"] < 1:
        raise WeightsError(
            f"{origin}: its featheredge metadata is {metadata}; expected a JSON object with "
            "name, task and stride"
        )
    ports = [(port.name, port.type) for port in (*network.get_inputs(), *network.get_outputs())]
    if ports != [("image", "tensor(uint8)"), ("map", "tensor(float)")]:
        raise WeightsError(
            f"{origin}: inputs and outputs are {ports}; expected image, uint8, and map, float32"
        )
    return facts
