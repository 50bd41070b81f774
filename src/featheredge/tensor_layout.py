"""Tensors of other libraries as arrays, by their methods, without importing the libraries.

Shapes: `H W` pixels; `C` channels.
"""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ImageError

_CHANNELS = (1, 3, 4)


@runtime_checkable
class Tensor(Protocol):
    """What is needed of a tensor, as `torch.Tensor` has it."""

    def detach(self) -> Any:
        """Return the tensor without its gradient."""
        ...

    def cpu(self) -> Any:
        """Return the tensor in main memory."""
        ...


def to_array(tensor: Tensor) -> NDArray[Any]:
    """Convert the tensor of one image to an array with channels last.

    Args:
        tensor: (H, W), (C, H, W) or (H, W, C), on any device, with C 1, 3 or 4. If both readings
            are possible, channels come first, as in PyTorch.

    Returns:
        (H, W) or (H, W, C), with the dtype of the tensor.

    Raises:
        ImageError: The tensor is a batch, or NumPy has no such dtype.
    """
    try:
        array = np.asarray(tensor.detach().cpu())
    except TypeError as error:
        raise ImageError(f"the tensor: {error}; convert it first with tensor.float()") from error
    if array.ndim == 4:
        raise ImageError(
            f"the tensor has shape {array.shape}, a batch; expected one image: give tensor[0], or "
            "featheredge.Session(...).batch(tensor) for all"
        )
    if array.ndim == 3 and array.shape[0] in _CHANNELS:
        return array.transpose(1, 2, 0)
    return array
