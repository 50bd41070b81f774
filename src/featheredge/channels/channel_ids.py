"""Channels by number: which axes of which tensors hold them, and which of them are one.

Every index along a channel axis gets a number of its own, its label. What happens to the tensors
then ties labels to one another: channels that are added are one thing, to be cut or kept together.

Shapes: a label array belongs to one axis of a tensor and has that axis's length.
"""

from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Labels: TypeAlias = NDArray[np.int64]
#: For every axis of a tensor its labels; None where the axis has no channels.
Axes: TypeAlias = tuple[Labels | None, ...]

#: Kernels have channels along these first axes, rows and columns; the others are spatial.
_CHANNEL_AXES = 2


class Labelling:
    """The labels of all tensors of a forward pass, and what is known of them.

    Attributes:
        stored: (name, axis) -> labels, for every tensor of the network's state.
        ties: pairs of equally long arrays: labels that go or stay together.
        fixed: labels that have to stay, such as those of the input and of the output.
        made: labels of the rows of convolutions and linear layers, which make channels.
        count: how many labels there are.
    """

    def __init__(self, network: nn.Module) -> None:
        self.stored: dict[tuple[str, int], Labels] = {}
        self.ties: list[tuple[Labels, Labels]] = []
        self.fixed: list[Labels] = []
        self.made: list[Labels] = []
        self.count = 0
        self._axes: dict[int, Axes] = {}
        # Axes are found by the identity of a tensor, so no tensor may be freed meanwhile.
        self._seen: list[Tensor] = []
        stored = network.state_dict()
        for name, tensor in chain(network.named_parameters(), network.named_buffers()):
            if name not in stored:
                continue
            labelled = [self.new(size) for size in tensor.shape[:_CHANNEL_AXES]]
            self.stored |= {(name, axis): labels for axis, labels in enumerate(labelled)}
            self.set(tensor, (*labelled, *[None] * (tensor.ndim - len(labelled))))

    def axes(self, tensor: Tensor) -> Axes:
        """The labels of a tensor's axes."""
        return self._axes.get(id(tensor), (None,) * tensor.ndim)

    def set(self, tensor: Tensor, axes: Axes) -> None:
        """Say what a tensor's axes hold."""
        self._axes[id(tensor)] = axes
        self._seen.append(tensor)

    def new(self, size: int) -> Labels:
        """Labels that nothing has yet."""
        self.count += size
        return np.arange(self.count - size, self.count)

    def tie(self, one: Labels | None, other: Labels | None) -> None:
        """Let two axes share their channels; an axis without labels holds the other as it is."""
        if one is None or other is None:
            self.fix(one)
            self.fix(other)
        else:
            self.ties.append((one, other))

    def fix(self, labels: Labels | None) -> None:
        """Keep these channels whatever happens."""
        if labels is not None:
            self.fixed.append(labels)

    def shared(self, axes: Sequence[Labels | None]) -> Labels | None:
        """The labels of an axis that several tensors share, tied; None where none has any."""
        labelled = [labels for labels in axes if labels is not None]
        for labels in axes[1:] if labelled else ():
            self.tie(axes[0], labels)
        return labelled[0] if labelled else None
