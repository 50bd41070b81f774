"""Define what all networks share: configuration, normalisation and output.

Shapes: B batch, H W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from featheredge.catalog import Task

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Mean and standard deviation of ImageNet's RGB values in [0, 1], as torchvision states them.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Purpose:
    """The task and input size of a trained network, stored in `config.json` and exported files.

    Attributes:
        task: "edges" or "saliency".
        input_px: Side in pixels of the square that pictures are resized to; None if the network
            takes pictures at their own size.
    """

    task: Task
    input_px: int | None = None


class Logits(NamedTuple):
    """The output of a network: maps before the sigmoid.

    Attributes:
        final: (B, 1, H, W) float, the result, at the size of the input.
        sides: Intermediate maps that the loss also uses, coarse to fine, (B, 1, h, w) float each,
            of the input's size or smaller; may be empty.
    """

    final: Tensor
    sides: tuple[Tensor, ...]


class Network(nn.Module):
    """A network that its configuration, a frozen dataclass of widths, rebuilds exactly.

    Attributes:
        stride: Side in pixels of the input that one cell of the coarsest map covers.
        config: All widths; `type(network)(network.config)` has tensors of the same shapes.
        training_only: Beginnings of the names of parameters that only training uses. Exported files
            do not have them, and weights without them can be loaded.
    """

    stride: int
    config: "DataclassInstance"
    training_only: tuple[str, ...] = ()

    def forward(self, image: Tensor) -> Logits:
        """Map a normalised picture to logits.

        Args:
            image: (B, 3, H, W) float, from `normalise`; H and W are at least 1.

        Returns:
            Logits at the size of `image`.
        """
        raise NotImplementedError

    def normalise(self, image: Tensor) -> Tensor:
        """Normalise (B, 3, H, W) RGB in [0, 1] for `forward`, by ImageNet's statistics."""
        mean, std = image.new_tensor(IMAGENET_MEAN), image.new_tensor(IMAGENET_STD)
        normalised: Tensor = (image - mean[:, None, None]) / std[:, None, None]
        return normalised

    def published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename and reshape the tensors of the authors' checkpoint for this module.

        Args:
            state: Tensors by the authors' names; names of this module are kept.

        Returns:
            Tensors for `featheredge.models.tensors.load_weights`.
        """
        return dict(state)

    def deployable(self) -> "Network":
        """Return the form that is exported and timed, the same function; by default `self`."""
        return self

    def __call__(self, image: Tensor) -> Logits:
        """Run `forward`."""
        logits: Logits = super().__call__(image)
        return logits
