"""Compute how much memory a network takes, without allocating it.

The network runs on PyTorch's meta device, whose tensors have shapes but no data.

Shapes: B batch, P side of a square picture in pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from featheredge.errors import RecipeError


def parameter_bytes(make: Callable[[], nn.Module]) -> int:
    """Return the bytes of the parameters and buffers of the network that `make` builds.

    Args:
        make: Builds the network; called on the meta device.

    Raises:
        RecipeError: Tensors of these sizes cannot exist.
    """
    try:
        with torch.device("meta"):
            network = make()
    except (RuntimeError, OverflowError, TypeError) as cause:
        reason = str(cause).splitlines()[0]
        raise RecipeError(f"a network of these widths cannot be built: {reason}") from None
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def activation_bytes(make: Callable[[], nn.Module], batch_size: int, side_px: int) -> int:
    """Return the bytes that a training step stores for its backward pass, without parameters.

    Args:
        make: Builds the network; called on the meta device.
        batch_size: Number of pictures, B.
        side_px: Side of the pictures, P.
    """
    stored: dict[int, torch.UntypedStorage] = {}

    def store(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        stored[storage._cdata] = storage
        return tensor

    with torch.device("meta"), saved_tensors_hooks(store, lambda tensor: tensor):
        network = make().train()
        network(torch.empty(2, 3, side_px, side_px))  # a batch norm refuses a single value
    for parameter in network.parameters():
        stored.pop(parameter.untyped_storage()._cdata, None)
    return sum(storage.nbytes() for storage in stored.values()) * batch_size // 2
