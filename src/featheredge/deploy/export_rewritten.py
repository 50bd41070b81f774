"""Export with exact rewrites: a file that computes the same maps in less time.

Use `featheredge.deploy.export` for a file whose weights can be read back for fine-tuning.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from featheredge.catalog import Task
from featheredge.deploy.export import MAX_DIFFERENCE, METADATA_KEY, check_and_write, noise, trace
from featheredge.deploy.rewrite.apply import Counts, rewrite
from featheredge.image import load
from featheredge.models.network import Network
from featheredge.resize import resize

#: The largest difference of a map if slopes are rounded.
MAX_ROUNDED_DIFFERENCE = 2e-3


@dataclass(frozen=True)
class Rewritten:
    """The result of an export with rewrites.

    Attributes:
        counts: How often each rewrite was applied.
        difference: The largest absolute difference from PyTorch, on noise and on the pictures.
        num_pictures: How many pictures it was measured on.
    """

    counts: Counts
    difference: float
    num_pictures: int

    def __str__(self) -> str:
        """The rewrites, then the difference."""
        inputs = "noise" + (f" and {self.num_pictures} pictures" if self.num_pictures else "")
        return f"{self.counts}\n{self.difference:.0e}  largest difference from PyTorch, on {inputs}"


def export_rewritten(
    network: Network,
    path: Path,
    *,
    name: str,
    task: Task,
    input_px: int | None = None,
    slope_tolerance: float = 0.0,
    pictures: Sequence[Path] = (),
) -> Rewritten:
    """Write `network` to `path` as ONNX with all exact rewrites, and check it against PyTorch.

    The weights are float32, and their names are no longer those of the network.

    Args:
        network: The network to export; it is not changed.
        path: The .onnx file, written atomically after the check.
        name: Name of the model in the metadata.
        task: What its maps show.
        input_px: Side of the square that images are resized to. The file then takes one picture of
            this size at a time, which makes sums of maps faster.
        slope_tolerance: PReLU slopes may change by this much if that makes a layer a ReLU or a
            LeakyReLU.
        pictures: Image files to check the file on, besides noise.

    Raises:
        ArgumentError: `input_px` is not a multiple of the stride, or is too large.
        WeightsError: Maps differ from PyTorch by more than 1e-4, or by more than
            `MAX_ROUNDED_DIFFERENCE` if slopes are rounded; nothing is written.
    """
    deployed, plain = trace(network, name, task, input_px, "fp32")
    model, counts = rewrite(plain, slope_tolerance=slope_tolerance, input_px=input_px)
    metadata = json.loads(model.metadata_props[0].value)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps({**metadata, "rewritten": True})})
    batch = 2 if input_px is None else 1
    limit = MAX_ROUNDED_DIFFERENCE if counts.rounded else MAX_DIFFERENCE
    images = chain(noise(input_px, batch), _load(pictures, network.stride, input_px))
    difference = check_and_write(deployed, model, path, images, name, limit)
    return Rewritten(counts, difference, len(pictures))


def _load(
    pictures: Sequence[Path], stride: int, input_px: int | None
) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures, (1, H, W, 3), at `input_px` or cropped to multiples of the stride."""
    for path in pictures:
        image = load(path)
        if input_px is None:
            height, width = (max(side - side % stride, stride) for side in image.shape[:2])
            yield resize(image, height, width)[None]
        else:
            yield resize(image, input_px, input_px)[None]
