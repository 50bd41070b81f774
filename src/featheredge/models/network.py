"""What every network here has in common: its configuration, its input and its output.

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
    """What a trained network is for; its `config.json` and its exported file store it.

    Attributes:
        task: What its maps mean.
        input_px: Side of the square that pictures are stretched to; None for a network that takes
            them at their own size.
    """

    task: Task
    input_px: int | None = None


class Logits(NamedTuple):
    """What a network returns: maps before the sigmoid.

    Attributes:
        final: (B, 1, H, W), the map that counts, at the size of the input.
        sides: intermediate maps that are trained too, coarse to fine, (B, 1, h, w) each, of the
            input's size or smaller; may be empty.
    """

    final: Tensor
    sides: tuple[Tensor, ...]


class Network(nn.Module):
    """A network that its configuration, a frozen dataclass of widths, rebuilds exactly.

    Attributes:
        stride: pixels of the input that one cell of the coarsest map covers.
        config: every width; `type(network)(network.config)` has the same tensors.
        training_only: beginnings of the names of parameters that only training uses. Exported
            files leave them out, and weights without them load.
    """

    stride: int
    config: "DataclassInstance"
    training_only: tuple[str, ...] = ()

    def forward(self, image: Tensor) -> Logits:
        """Map a normalised picture to logits.

        Args:
            image: (B, 3, H, W) float, from `normalise`; any H and W from 1 up.

        Returns:
            Logits at the size of `image`.
        """
        raise NotImplementedError

    def normalise(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] -> what `forward` takes: ImageNet's normalisation."""
        mean, std = image.new_tensor(IMAGENET_MEAN), image.new_tensor(IMAGENET_STD)
        normalised: Tensor = (image - mean[:, None, None]) / std[:, None, None]
        return normalised

    def published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of its authors' checkpoint, named and shaped as here.

        Args:
            state: by the authors' names, or by names here, which stay.

        Returns:
            Tensors for `featheredge.models.build.load_weights`.
        """
        return dict(state)

    def deployable(self) -> "Network":
        """The same function in the form to export and to time; the network itself unless said."""
        return self

    def __call__(self, image: Tensor) -> Logits:
        """Run `forward`."""
        logits: Logits = super().__call__(image)
        return logits
