"""How much memory a network takes, found on tensors without content: nothing is allocated.

Shapes: B batch, P pixels of the side of a square picture.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from featheredge.errors import RecipeError


def parameter_bytes(make: Callable[[], nn.Module]) -> int:
    """Bytes of the parameters and buffers of the network that `make` builds.

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
    """Bytes that a training step keeps for its backward pass, parameters apart.

    Args:
        make: Builds the network; it is called where tensors have no content.
        batch_size: B.
        side_px: P.
    """
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    with torch.device("meta"), saved_tensors_hooks(keep, lambda tensor: tensor):
        network = make().train()
        network(torch.empty(batch_size, 3, side_px, side_px))
    for parameter in network.parameters():
        kept.pop(parameter.untyped_storage()._cdata, None)
    return sum(storage.nbytes() for storage in kept.values())
