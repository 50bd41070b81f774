"""List the convolutions that a network runs for one picture, with their sizes.

They are recorded during a forward pass, so it does not matter how the network calls them.

Shapes: C channels, H W pixels. A kernel is (rows, columns, k, k): rows produce channels and
columns read them, one column for every channel of a group. In a transposed convolution rows read
and columns produce.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from featheredge.errors import ArgumentError

Sizes: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """All sizes that determine the time of a convolution.

    Attributes:
        rows: Rows of the kernel.
        columns: Columns of the kernel.
        kernel: Height and width in cells, as in the next four.
        stride: Cells between two positions of the kernel.
        padding: Cells of zeros on every side.
        dilation: Cells between two entries of the kernel.
        output_padding: Extra cells at the lower right, in a transposed convolution.
        groups: Number of channel groups; a depthwise kernel has one column.
        transposed: Whether it is a transposed convolution.
        reads: Height and width of the input map.
        makes: Height and width of the output map.
    """

    rows: int
    columns: int
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    output_padding: Sizes
    groups: int
    transposed: bool
    reads: Sizes
    makes: Sizes

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one picture."""
        cells = self.reads if self.transposed else self.makes
        return self.rows * self.columns * prod(self.kernel) * prod(cells)

    @property
    def in_channels(self) -> int:
        """Channels of the input map."""
        return self.rows if self.transposed else self.columns * self.groups

    def with_widths(self, rows: int, columns: int) -> "Convolution":
        """Return a copy with another kernel; a depthwise one keeps one group per channel."""
        depthwise = self.groups > 1 and self.columns == 1 and not self.transposed
        groups = self.groups * rows // self.rows if depthwise else self.groups
        return replace(self, rows=rows, columns=columns, groups=groups)


def find_convolutions(network: nn.Module, image: Tensor) -> list[tuple[str, Convolution]]:
    """List the convolutions of a network, in the order in which they run.

    Args:
        network: Any module that takes `image`; it is not changed.
        image: (1, C, H, W) float, of the size that costs are counted for.

    Returns:
        (name of the kernel, convolution) pairs, such as ("features.0.weight", ...). A kernel that
        is used twice is listed twice.

    Raises:
        ArgumentError: A kernel is neither parameter nor buffer, because the forward computes it.
    """
    copy = deepcopy(network).eval()
    watch = _Watch(copy)
    with torch.no_grad(), watch:
        copy(image)
    return watch.found


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every convolution inside its `with` block."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        named = chain(network.named_parameters(), network.named_buffers())
        self._names = {id(tensor): name for name, tensor in named}
        self.found: list[tuple[str, Convolution]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ == "convolution":
            self._record(result, *args)
        return result

    def _record(
        self,
        output: Tensor,
        x: Tensor,
        kernel: Tensor,
        bias: Tensor | None,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        output_padding: Any,
        groups: int,
    ) -> None:
        if id(kernel) not in self._names:
            raise ArgumentError(
                f"the forward computes a kernel of shape {tuple(kernel.shape)}; kernels must be "
                "parameters or buffers, as in network.deployable()"
            )
        convolution = Convolution(
            rows=kernel.shape[0],
            columns=kernel.shape[1],
            kernel=tuple(kernel.shape[2:]),
            stride=tuple(stride),
            padding=tuple(padding),
            dilation=tuple(dilation),
            output_padding=tuple(output_padding),
            groups=groups,
            transposed=transposed,
            reads=tuple(x.shape[2:]),
            makes=tuple(output.shape[2:]),
        )
        self.found.append((self._names[id(kernel)], convolution))
