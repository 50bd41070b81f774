"""Teachers: frozen networks whose maps and features a student learns from.

Shapes: B batch, C channels, H W pixels.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.errors import RecipeError
from featheredge.models.multiscale import predict_multiscale
from featheredge.models.network import Network
from featheredge.models.tensors import is_optional


@dataclass(frozen=True, config={"extra": "forbid"})
class Averaging:
    """Copies of a picture whose maps are averaged.

    Attributes:
        scales: Factors on the picture's size, such as 0.5, 1 and 1.5.
        flip: Whether to average over the mirrored picture too.
    """

    scales: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1.0,)
    flip: bool = False


class Teacher(nn.Module):
    """A frozen network with its own normalisation of pictures.

    Its parameters take no gradient, and it stays in evaluation mode when its parent trains.
    """

    def __init__(self, network: Network, averaging: Averaging | None = None) -> None:
        """Freeze `network` in place.

        Args:
            network: Any network of featheredge with trained weights.
            averaging: Scales and flips to average over; by default, only the picture itself.
        """
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.averaging = averaging or Averaging()
        self.train(False)

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Return the map to learn from.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].

        Returns:
            (B, 1, H, W) probabilities in [0, 1].
        """
        map = predict_multiscale(self.network, image, self.averaging.scales)
        if self.averaging.flip:
            mirrored = predict_multiscale(self.network, image.flip(3), self.averaging.scales)
            map = (map + mirrored.flip(3)) / 2
        return map

    @torch.no_grad()
    def features(self, image: Tensor, layer: str) -> Tensor:
        """Return the map (B, C, h, w) that submodule `layer` computes for `image`, (B, 3, H, W).

        The network stops there, since its later layers do not matter. If `layer` returns several
        maps, the last is taken.
        """
        with recorded(self.network, layer, stop=True) as maps:
            self.network(self.network.normalise(image))
        return maps[-1]

    def fingerprint(self) -> str:
        """Return a hexadecimal digest of architecture, weights and averaging.

        Tensors that only training uses do not count: a shipped network lacks them, and each time
        that it is loaded they get other random values.
        """
        architecture = f"{type(self.network).__name__} {self.network.config} {self.averaging}"
        content = hashlib.sha256(architecture.encode())
        for key, value in self.network.state_dict().items():
            if is_optional(key, self.network):
                continue
            content.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
            content.update(value.cpu().contiguous().numpy().tobytes())
        return content.hexdigest()


def mean_map(teachers: Sequence[Teacher], image: Tensor, weights: Sequence[float] = ()) -> Tensor:
    """Return the weighted mean, (B, 1, H, W), of several teachers' maps of (B, 3, H, W)."""
    return weighted_mean(torch.stack([teacher(image) for teacher in teachers]), weights)


def weighted_mean(maps: Tensor, weights: Sequence[float] = ()) -> Tensor:
    """Return the weighted mean of maps over their first axis, which has one entry per teacher.

    Args:
        maps: (T, ...) in [0, 1].
        weights: T positive numbers, which are normalised; empty for equal weights.
    """
    shares = maps.new_tensor(weights or [1.0] * len(maps))
    mean: Tensor = torch.tensordot(shares / shares.sum(), maps, 1)
    return mean


class _Stop(Exception):
    """Ends the forward of a network whose later layers do not matter."""


@contextmanager
def recorded(network: nn.Module, layer: str, *, stop: bool = False) -> Iterator[list[Tensor]]:
    """Collect what a submodule returns while the context is open.

    Args:
        network: The network to call inside the context.
        layer: Dotted name of the submodule, such as "encoder" or "block4_4". If it returns a
            list of maps, as encoders do, the last is taken.
        stop: Whether the first call of the submodule ends the context, and with it the forward.

    Yields:
        A list that grows by one tensor with each call of the submodule.

    Raises:
        RecipeError: The network has no such submodule.
    """
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        while not isinstance(output, Tensor):
            output = output[-1]
        maps.append(output)
        if stop:
            raise _Stop

    modules = dict(network.named_modules())
    if layer not in modules:
        there = ", ".join(name for name, _ in network.named_children())
        raise RecipeError(f"{type(network).__name__} has no layer {layer!r}; its parts are {there}")
    hook = modules[layer].register_forward_hook(keep)
    try:
        yield maps
    except _Stop:
        pass
    finally:
        hook.remove()
