"""Give every channel an id, and record which ids belong together.

Every index along a channel axis of a tensor gets an id. The operations of a forward pass then tie
ids to one another: channels that are added must be kept or removed together.

Shapes: An id array belongs to one axis of a tensor and is as long as that axis.
"""

from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Ids: TypeAlias = NDArray[np.int64]
#: The ids of every axis of a tensor; None for an axis that has no channels.
Axes: TypeAlias = tuple[Ids | None, ...]

#: A kernel has channels along its first two axes, rows and columns; the others are spatial.
_CHANNEL_AXES = 2


class IdTable:
    """The channel ids of all tensors in a forward pass, and what is known about them.

    Attributes:
        state_ids: (name, axis) -> ids, for every tensor of the network's state.
        ties: Pairs of arrays of the same length: ids that are kept or removed together.
        fixed: Ids that must be kept, such as those of the network's input and output.
        produced: Ids of the rows of convolutions and linear layers, which produce channels.
        count: Number of ids.
    """

    def __init__(self, network: nn.Module) -> None:
        self.state_ids: dict[tuple[str, int], Ids] = {}
        self.ties: list[tuple[Ids, Ids]] = []
        self.fixed: list[Ids] = []
        self.produced: list[Ids] = []
        self.count = 0
        self._axes: dict[int, Axes] = {}
        # Axes are looked up by a tensor's `id`, so no tensor may be freed before the end.
        self._seen: list[Tensor] = []
        state = network.state_dict()
        for name, tensor in chain(network.named_parameters(), network.named_buffers()):
            if name not in state:
                continue
            axes = [self.new(size) for size in tensor.shape[:_CHANNEL_AXES]]
            self.state_ids |= {(name, axis): ids for axis, ids in enumerate(axes)}
            self.set(tensor, (*axes, *[None] * (tensor.ndim - len(axes))))

    def axes(self, tensor: Tensor) -> Axes:
        """Return the ids of a tensor's axes."""
        return self._axes.get(id(tensor), (None,) * tensor.ndim)

    def set(self, tensor: Tensor, axes: Axes) -> None:
        """Set the ids of a tensor's axes."""
        self._axes[id(tensor)] = axes
        self._seen.append(tensor)

    def new(self, size: int) -> Ids:
        """Return unused ids."""
        self.count += size
        return np.arange(self.count - size, self.count)

    def tie(self, first: Ids | None, second: Ids | None) -> None:
        """Tie the channels of two axes; if one axis has no ids, fix those of the other."""
        if first is None or second is None:
            self.fix(first)
            self.fix(second)
        else:
            self.ties.append((first, second))

    def fix(self, ids: Ids | None) -> None:
        """Mark channels that must be kept."""
        if ids is not None:
            self.fixed.append(ids)

    def shared(self, axes: Sequence[Ids | None]) -> Ids | None:
        """Tie axes that hold the same channels and return their ids; None if none has ids."""
        with_ids = [ids for ids in axes if ids is not None]
        for ids in axes[1:] if with_ids else ():
            self.tie(axes[0], ids)
        return with_ids[0] if with_ids else None
