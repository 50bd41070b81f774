"""Distillation: losses between a student and its teacher, to be added to the task loss.

Shapes: B batch, C channels, H W pixels of the picture, h w cells of an encoder's last map.
"""

from typing import Literal

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
            teacher's map as soft label, whose gradient does not fade where the student is
            confidently wrong (Hinton et al., "Distilling the Knowledge in a Neural Network").
        weight: Factor on the loss.
        reduction: As of the task loss that it is added to, or one of the two vanishes: "sum"
            over pixels or "mean".
    """

    kind: Literal["mse", "cross_entropy"] = "mse"
    weight: PositiveFloat = 1.0
    reduction: Literal["sum", "mean"] = "mean"

    def __call__(self, logits: Logits, teacher_map: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: The student's; only the final map is compared.
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
        student_layer: Submodule that returns the student's last encoder map.
        teacher_layer: Submodule that returns the teacher's.
        weight: Factor on the loss; 1e4 belongs to a task loss that is summed over pixels.
        dimensions: Size of the vectors that are compared.
        train_teacher_side: Whether the teacher's layer is trained too. The two layers can then
            agree on a constant, which makes the loss 0 and teaches nothing.
    """

    student_layer: str
    teacher_layer: str
    weight: PositiveFloat = 1e4
    dimensions: PositiveInt = 1
    train_teacher_side: bool = False


class KnowledgeAdaptor(nn.Module):
    """Compares what the encoders of student and teacher make of a picture as a whole.

    Each encoder's last map is averaged over its cells and passes through a fully connected layer
    of its own; the loss is the mean squared error between the two vectors. After the adaptor of
    He et al., "Knowledge Adaptation for Efficient Semantic Segmentation" (CVPR 2019), reduced to
    global averages. The teacher's averages are brought to mean 0 and deviation 1 first: a teacher
    without batch norm has features of any size, and one published weight is to fit all.

    The fully connected layers are part of the module: what trains the student must train and
    store them too.
    """

    def __init__(self, settings: Adaptation, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.settings = settings
        self.student = nn.Linear(student_channels, settings.dimensions)
        self.teacher = nn.Linear(teacher_channels, settings.dimensions)
        self.teacher.requires_grad_(settings.train_teacher_side)

    def forward(self, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            student_map: (B, student channels, h, w), the student's last encoder map.
            teacher_map: (B, teacher channels, h, w), the teacher's, of its own size.

        Returns:
            A scalar: the weighted mean over batch and dimensions.
        """
        student = self.student(student_map.mean((2, 3)))
        averages = teacher_map.mean((2, 3))
        teacher = self.teacher(F.layer_norm(averages, averages.shape[1:]))
        return self.settings.weight * F.mse_loss(student, teacher)
