"""Scores of the authors' CSNet on SOD, the 300 pictures of BSDS500 with saliency masks.

    python benchmarks/score_csnet.py --weights csnet_l_x1.safetensors \
        --masks data/sod300/masks --bsds data/bsds500

Preprocessing follows the authors: a bilinear resize to 224 x 224 without a filter, which does not
keep the aspect ratio, then ImageNet's normalisation. The map is resized to its mask the same way.
The script writes benchmarks/results/NAME.json, named after the weights, with both protocols.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from featheredge.errors import EvaluationError
from featheredge.metrics.saliency_metric import SaliencyMetric
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.models.build import load_trained
from featheredge.models.cost import multiply_adds, num_params
from featheredge.models.csnet import CSNet
from featheredge.models.network import Network
from interleaved import write_result

SIDE_PX = 224


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--bsds", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    name = options.weights.stem
    network = load_trained(f"{name.replace('_', '-')}:{options.weights}")
    assert isinstance(network, CSNet)
    metrics = [SaliencyMetric(SaliencyProtocol(name)) for name in ("pysod", "salmetric")]
    for image, mask, stem in pairs(options.masks, options.bsds):
        map = predict(network, image, mask.shape)
        for metric in metrics:
            metric.update(map, mask, stem)
    cost = {
        "parameters": num_params(network),
        "multiply_adds": multiply_adds(lambda: CSNet(network.config), SIDE_PX, SIDE_PX),
    }
    scores = {metric.protocol.name: metric.compute().to_dict() for metric in metrics}
    write_result(name, {"side_px": SIDE_PX, **cost, "scores": scores})
    return 0


def pairs(masks: Path, bsds: Path) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Yield pictures (H, W, 3) and masks (H, W), both uint8, with their number in BSDS500."""
    images = {path.stem: path for path in (bsds / "images").glob("*/*.jpg")}
    found = sorted(masks.glob("*.png"))
    if not found:
        raise EvaluationError(f"{masks}: no masks; expected ID.png files")
    for path in found:
        image = np.array(Image.open(images[path.stem]).convert("RGB"))
        yield image, np.array(Image.open(path).convert("L")), path.stem


@torch.inference_mode()
def predict(network: Network, image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Predict a picture, (H, W, 3) uint8; return its map at a size, float32 in [0, 1]."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    small = F.interpolate(pixels, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
    map = network(network.normalise(small)).final.sigmoid()
    large = F.interpolate(map, size, mode="bilinear", align_corners=False)
    return large[0, 0].numpy()


if __name__ == "__main__":
    sys.exit(main())
