"""Converter of a public EfficientNet-Lite0 checkpoint to backbone weights of this project.

    python tools/convert_lite0.py efficientnet_lite0.pth efficientnet_lite0.safetensors

The checkpoint has TensorFlow's names (`_conv_stem`, `_blocks.0._depthwise_conv`, ...), expects
(x - 127) / 128 for 8-bit values x, and has batch norms with an eps of 1e-3. The converted file has
torchvision's names for MobileNetV2, expects ImageNet's normalisation as every network here does,
and has an eps of 1e-5. Its outputs differ only where the first layer is padded.
"""

import sys

import torch
from safetensors.torch import save_file
from torch import Tensor

from featheredge.models.network import IMAGENET_MEAN, IMAGENET_STD

_EPS, _THEIR_EPS = 1e-5, 1e-3
_PARTS = ("weight", "bias", "running_mean", "running_var")


def main(source: str, target: str) -> None:
    state = torch.load(source, weights_only=True)
    names = {"_conv_stem": "features.0.0", "_bn0": "features.0.1"}
    for block in range(16):
        layers = ["_expand_conv _bn0", "_depthwise_conv _bn1", "_project_conv _bn2"]
        for position, pair in enumerate(layers if block else layers[1:]):
            conv, norm = pair.split()
            last = conv == "_project_conv"
            prefix = f"features.{block + 1}.conv.{position}"
            after = f"features.{block + 1}.conv.{position + 1}"
            names[f"_blocks.{block}.{conv}"] = prefix if last else f"{prefix}.0"
            names[f"_blocks.{block}.{norm}"] = after if last else f"{prefix}.1"
    converted = {
        f"{ours}.{part}": state[f"{theirs}.{part}"].float()
        for theirs, ours in names.items()
        for part in _PARTS
        if f"{theirs}.{part}" in state
    }
    for key, value in converted.items():
        if key.endswith("running_var"):
            converted[key] = value + _THEIR_EPS - _EPS
    _renormalise_input(converted)
    save_file({key: value.contiguous() for key, value in converted.items()}, target)


def _renormalise_input(state: dict[str, Tensor]) -> None:
    """Change the first layer so that it takes (x / 255 - mean) / std instead of (x - 127) / 128."""
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    scale, offset = 255 * std / 128, (255 * mean - 127) / 128
    kernel = state["features.0.0.weight"]
    state["features.0.0.weight"] = kernel * scale[None, :, None, None]
    state["features.0.1.running_mean"] -= (kernel * offset[None, :, None, None]).sum((1, 2, 3))


if __name__ == "__main__":
    main(*sys.argv[1:])
