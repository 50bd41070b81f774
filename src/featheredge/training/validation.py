"""Validation on whole pictures during training: the loss, and a sheet of maps.

Shapes: H W pixels of one picture.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor

from featheredge.data.pairs import Pairs
from featheredge.files import replacing
from featheredge.models.network import Network
from featheredge.training.processes import add_up
from featheredge.training.recipe import TaskLoss

_NUM_SHOWN = 4
_CELL_PX = (240, 320)


@torch.inference_mode()
def mean_loss(network: Network, pairs: Pairs, loss: TaskLoss, fabric: Fabric) -> float:
    """Compute the task loss, averaged over whole pictures.

    Processes take the pictures in turn. The loss of every picture is gathered and all are averaged
    at once, so any number of processes returns the same number.
    """
    network.eval()
    losses = torch.zeros(len(pairs), dtype=torch.float64)
    for index in range(fabric.global_rank, len(pairs), fabric.world_size):
        picture, label = (part[None].to(fabric.device) for part in pairs[index])
        losses[index] = loss(network(network.normalise(picture)), label).item()
    return math.fsum(add_up(fabric, losses).tolist()) / len(pairs)


@torch.inference_mode()
def draw_maps(network: Network, pairs: Pairs, device: torch.device, path: Path) -> None:
    """Write a PNG with a row for each of the first pictures: picture, annotators, map."""
    network.eval()
    rows = [_row(network, pairs, i, device) for i in range(min(_NUM_SHOWN, len(pairs)))]
    sheet = (torch.cat(rows, 1).permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, "PNG")


def _row(network: Network, pairs: Pairs, index: int, device: torch.device) -> Tensor:
    """Draw one picture, (3, h, 3 w) in [0, 1]."""
    picture, label = (part.to(device) for part in pairs[index])
    label = label[:1]
    edges = network(network.normalise(picture[None])).final.sigmoid()[0]
    cells = [picture, label.expand(3, -1, -1), edges.expand(3, -1, -1)]
    return torch.cat([F.interpolate(c[None], _CELL_PX, mode="area")[0] for c in cells], 2)
