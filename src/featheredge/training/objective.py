"""The loss that a training step minimises: the task loss, and the losses of distillation.

Shapes: B batch, H W pixels.
"""

import torch
from torch import Tensor, nn

from featheredge.models import build
from featheredge.models.network import Network
from featheredge.training.distill import KnowledgeAdaptor
from featheredge.training.recipe import Distillation, TaskLoss
from featheredge.training.teacher import Teacher, mean_map, recorded

_PROBE_PX = 32


class Objective(nn.Module):
    """A student with its losses, as one module whose parameters are trained and stored.

    Teachers are neither trained nor stored, so they are not submodules.
    """

    def __init__(
        self,
        student: Network,
        loss: TaskLoss,
        distill: Distillation | None,
        device: torch.device,
    ) -> None:
        """Load the teachers on `device`.

        Raises:
            UnknownModelError, WeightsError: A teacher does not exist, or is damaged.
            RecipeError: A network has no layer of the name that the adaptor reads.
        """
        super().__init__()
        self.student = student
        self.loss = loss
        self.output = distill.output if distill else None
        self.adaptor: KnowledgeAdaptor | None = None
        self.teachers: tuple[Teacher, ...] = ()
        self.weights = distill.weights if distill else ()
        if distill is None:
            return
        networks = [build.load_trained(source) for source in distill.teachers]
        if distill.adaptor is not None:
            settings = distill.adaptor
            own = _num_channels(student, settings.student_layer)
            theirs = _num_channels(networks[0], settings.teacher_layer)
            self.adaptor = KnowledgeAdaptor(settings, own, theirs)
        teachers = (Teacher(network, distill.averaging).to(device) for network in networks)
        self.teachers = tuple(teachers)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            image: (B, 3, H, W) in [0, 1].
            label: (B, C, H, W) in [0, 1]: the share of annotators, or the mask, and, with C = 2, a
                teacher's stored map, which replaces the teachers' own.

        Returns:
            A scalar.
        """
        target, stored = label[:, :1], label[:, 1:]
        normalised = self.student.normalise(image)
        if self.adaptor is None:
            logits = self.student(normalised)
            loss = self.loss(logits, target)
        else:
            settings = self.adaptor.settings
            with recorded(self.student, settings.student_layer) as maps:
                logits = self.student(normalised)
            taught = self.teachers[0].features(image, settings.teacher_layer)
            loss = self.loss(logits, target) + self.adaptor(maps[-1], taught)
        if self.output is not None:
            taught_map = stored if stored.shape[1] else mean_map(self.teachers, image, self.weights)
            loss = loss + self.output(logits, taught_map)
        return loss


@torch.no_grad()
def _num_channels(network: Network, layer: str) -> int:
    """Return the channels of the last map of `layer`; evaluation mode leaves norms unchanged."""
    training = network.training
    network.eval()
    with recorded(network, layer, stop=True) as maps:
        network(torch.zeros(1, 3, _PROBE_PX, _PROBE_PX))
    network.train(training)
    return maps[-1].shape[1]
