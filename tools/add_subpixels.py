"""Give a trained `Feather` four logits for each cell of its finest map, instead of one.

    python tools/add_subpixels.py NETWORK OUT_FOLDER

The four start as bilinear interpolation of the one, so at first the maps change only at the
picture's border. Training then makes them finer. NETWORK is a name, a run's `model` folder or a
weights file.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from featheredge.models.build import load_trained, save
from featheredge.models.feather import Feather

#: Bilinear weights of the cell before, the cell itself and the cell after, for its first and second
#: half.
_HALVES = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])


def add_subpixels(network: Feather) -> Feather:
    """Return a network with `subpixels=2` that enlarges the last logits bilinearly."""
    finer = Feather(replace(network.config, subpixels=2))
    state = network.state_dict()
    last = f"outputs.{len(network.outputs) - 1}"
    weight, bias = state.pop(f"{last}.weight"), state.pop(f"{last}.bias")
    bilinear = torch.einsum("ai,bj->abij", _HALVES, _HALVES).reshape(4, 1, 3, 3)
    state[f"{last}.0.weight"] = weight * bilinear
    state[f"{last}.0.bias"] = bias.repeat(4)
    finer.load_state_dict(state)
    return finer


def main(source: str, target: str) -> None:
    network = load_trained(source)
    assert isinstance(network, Feather), f"{source} is a {type(network).__name__}, not a Feather"
    save(add_subpixels(network), Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
