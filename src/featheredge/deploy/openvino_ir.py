"""Convert a weights file to OpenVINO's IR: an .xml file with the graph, a .bin file with weights.

Shapes: `H W` pixels.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featheredge.extras import require
from featheredge.openvino_runtime import read_model


def convert_file(
    weights: Path, output: Path, pictures: Sequence[NDArray[np.uint8]] | None = None
) -> None:
    """Write the IR of a weights file.

    Args:
        weights: A weights file, as `featheredge export` writes it.
        output: The .xml file to write; the .bin file gets the same name.
        pictures: None keeps the weights as fp16. With calibration pictures, each (H, W, 3) uint8
            RGB of a size that the network takes, NNCF quantises the network to int8: weights with
            a scale for each channel, activations with one for each tensor.

    Raises:
        MissingExtraError: OpenVINO or, with pictures, NNCF is not installed.
    """
    require("openvino", "export to OpenVINO", "openvino", *(() if pictures is None else ("nncf",)))
    import openvino

    model = read_model(weights)
    if pictures is not None:
        import nncf

        logging.getLogger("nncf").setLevel(logging.ERROR)
        dataset = nncf.Dataset([picture[None] for picture in pictures])
        model = nncf.quantize(
            model, dataset, preset=nncf.QuantizationPreset.MIXED, subset_size=len(pictures)
        )
    openvino.save_model(model, output)
