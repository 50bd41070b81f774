"""The convolutions that a network runs for one picture, with what each of them costs.

They are found by watching a forward pass, so it does not matter how the network calls them.

Shapes: a kernel is (rows, columns, k, k). Rows make channels and columns read them, one column
for every channel of a group; of a transposed convolution it is the other way round.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from featheredge.errors import ArgumentError

Sizes: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """All that decides how long a convolution takes.

    Attributes:
        rows: of its kernel.
        columns: of its kernel.
        kernel: height and width in cells; the next four likewise.
        stride: cells from one place to the next.
        padding: cells of zeros on every side.
        dilation: cells from one entry of the kernel to the next.
        output_padding: of a transposed convolution, cells more at the lower right.
        groups: that the channels are in; depthwise ones have one column.
        transposed: whether it enlarges.
        reads: height and width of the map that it reads.
        makes: height and width of the map that it makes.
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
        """Channels of the map that it reads."""
        return self.rows if self.transposed else self.columns * self.groups

    def with_widths(self, rows: int, columns: int) -> "Convolution":
        """The same with another kernel; a depthwise one keeps one group for every channel."""
        depthwise = self.groups > 1 and self.columns == 1 and not self.transposed
        groups = self.groups * rows // self.rows if depthwise else self.groups
        return replace(self, rows=rows, columns=columns, groups=groups)


def find_convolutions(network: nn.Module, image: Tensor) -> list[tuple[str, Convolution]]:
    """The convolutions of a network, in the order in which they run.

    Args:
        network: any module that takes `image`; it is left as it is.
        image: (1, C, H, W) at the size that counts.

    Returns:
        The name of each kernel, such as "features.0.weight", and its convolution; kernels that
        are used twice come twice.

    Raises:
        ArgumentError: a kernel that is no parameter, because it is computed on the way.
    """
    copy = deepcopy(network).eval()
    watch = _Watch(copy)
    with torch.no_grad(), watch:
        copy(image)
    return watch.found


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every convolution while it is entered."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = {id(parameter): name for name, parameter in network.named_parameters()}
        self.found: list[tuple[str, Convolution]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ == "convolution":
            self._note(result, *args)
        return result

    def _note(
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
                f"a kernel of {tuple(kernel.shape)} is computed on the way; what is deployed has "
                "kernels that are parameters: give network.deployable()"
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
