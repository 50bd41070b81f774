"""Distillation: losses between a student and its teacher, added to the loss on labels.

Shapes: B batch, C channels, H W pixels of the picture, h w cells of an encoder's last map.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.models.network import Logits


@dataclass(frozen=True, config={"extra": "forbid"})
class OutputDistillation:
    """Distance between the final maps of student and teacher.

    Attributes:
        kind: "mse", the mean squared error of the published pair, or "cross_entropy" with the
            teacher's map as soft label, whose gradient stays large where the student is
            confidently wrong (Hinton et al., "Distilling the Knowledge in a Neural Network").
        weight: Factor on the loss.
        reduction: "mean" or "sum" over pixels: the same as in [loss], or one of the two losses
            outweighs the other by far.
    """

    kind: Literal["mse", "cross_entropy"] = "mse"
    weight: PositiveFloat = 1.0
    reduction: Literal["sum", "mean"] = "mean"

    def __call__(self, logits: Logits, teacher_map: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            logits: Of the student; only the final map is compared.
            teacher_map: (B, 1, H, W) probabilities in [0, 1].

        Returns:
            A scalar: the mean over the batch of each picture's sum (or mean) over its pixels.
        """
        if self.kind == "mse":
            distance = (logits.final.sigmoid() - teacher_map).square().flatten(1)
        else:
            distance = F.binary_cross_entropy_with_logits(
                logits.final, teacher_map, reduction="none"
            ).flatten(1)
        per_picture = distance.sum(1) if self.reduction == "sum" else distance.mean(1)
        return self.weight * per_picture.mean()


@dataclass(frozen=True, config={"extra": "forbid"})
class Adaptation:
    """Settings of a `KnowledgeAdaptor`.

    Attributes:
        student_layer: Submodule of the student that returns the last map of its encoder.
        teacher_layer: Submodule of the teacher that returns the last map of its encoder.
        weight: Factor on the loss; 1e4 fits a loss on labels that is summed over pixels.
        dimensions: Length of the vectors that are compared.
        spatial: Compare every cell of the student's map with the teacher's cells at its place,
            instead of the averages over all cells.
        train_teacher_side: Train the teacher's fully connected layer too. Both layers can then
            return a constant, which makes the loss 0 and teaches nothing.
    """

    student_layer: str
    teacher_layer: str
    weight: PositiveFloat = 1e4
    dimensions: PositiveInt = 1
    spatial: bool = False
    train_teacher_side: bool = False


class KnowledgeAdaptor(nn.Module):
    """Compares the encoders of student and teacher, on the picture as a whole or cell by cell.

    The last map of each encoder is averaged over its cells and passes through a fully connected
    layer; the loss is the mean squared error between the two vectors. After the adaptor of
    He et al., "Knowledge Adaptation for Efficient Semantic Segmentation" (CVPR 2019), reduced to
    global averages, or with `spatial` applied to every cell, as in that paper. The teacher's
    vectors are normalised to mean 0 and deviation 1 first, because a teacher without batch norm has
    features of any size, and one weight has to fit all.

    The fully connected layers belong to this module: train and store them with the student.
    """

    def __init__(self, settings: Adaptation, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.settings = settings
        self.student = nn.Linear(student_channels, settings.dimensions)
        self.teacher = nn.Linear(teacher_channels, settings.dimensions)
        self.teacher.requires_grad_(settings.train_teacher_side)

    def forward(self, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            student_map: (B, student channels, h, w), the last map of the student's encoder.
            teacher_map: (B, teacher channels, h, w), that of the teacher; h and w may differ.

        Returns:
            A scalar: the weighted mean over batch, dimensions and, if `spatial`, cells.
        """
        cells = student_map.shape[-2:] if self.settings.spatial else (1, 1)
        ours, theirs = (_vectors(map, cells) for map in (student_map, teacher_map))
        taught = self.teacher(F.layer_norm(theirs, theirs.shape[-1:]))
        return self.settings.weight * F.mse_loss(self.student(ours), taught)


def _vectors(map: Tensor, cells: tuple[int, int] | torch.Size) -> Tensor:
    """Average a map over areas: (B, C, h, w) -> (B, areas along each axis, C)."""
    return F.interpolate(map, cells, mode="area").movedim(1, -1)
