"""Give a trained `Feather` four logits for each cell of its finest map, to train it further.

    python tools/split_logits.py NETWORK OUT

NETWORK is a name or a run's `model` folder, with `subpixels = 1`; OUT is a new folder. The four
logits start as the one logit, enlarged bilinearly, so the network predicts nearly what it did.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from featheredge.models.build import load_trained, save
from featheredge.models.feather import Feather

#: Weights of the cell before, of the cell itself and of the next one, for each half of a cell.
HALVES = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])


def main(source: str, target: str) -> None:
    network = load_trained(source)
    if not isinstance(network, Feather) or network.config.subpixels != 1:
        raise SystemExit(f"{source}: expected a Feather with one logit for each cell")
    save(split(network), Path(target))


def split(network: Feather) -> Feather:
    """Return the same network with a 3x3 output layer and four logits for each cell."""
    finer = Feather(replace(network.config, subpixels=2)).eval()
    state = network.state_dict()
    last = f"outputs.{len(network.outputs) - 1}"
    weight, bias = state.pop(f"{last}.weight"), state.pop(f"{last}.bias")
    state[f"{last}.0.weight"] = _bilinear(weight[0, :, 0, 0])
    state[f"{last}.0.bias"] = bias.repeat(4)
    finer.load_state_dict(state)
    return finer


def _bilinear(weight: Tensor) -> Tensor:
    """(C,) weights of one logit -> (4, C, 3, 3), those of four logits, row by row."""
    kernels = torch.einsum("iy,jx->ijyx", HALVES, HALVES).reshape(4, 1, 3, 3)
    return weight[None, :, None, None] * kernels


if __name__ == "__main__":
    main(*sys.argv[1:])
