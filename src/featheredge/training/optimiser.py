"""Optimisers and learning rates. The rate is a function of the step alone: it has no state."""

import bisect
import math
from collections.abc import Iterable

import torch
from torch import nn

from featheredge.errors import RecipeError
from featheredge.models.layer_names import begins, longest_beginning
from featheredge.training.recipe_sections import Optimiser, Schedule


def make_optimiser(
    model: nn.Module, settings: Optimiser, undecayed: Iterable[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """Make an optimiser; its parameter groups have their base learning rate as `base_lr`.

    Args:
        model: A network, or an `Objective` with the network as `student`. Frozen parameters are
            left out.
        settings: Settings; `rates` go by names in the network.
        undecayed: Parameters without weight decay.

    Raises:
        RecipeError: A key of `rates` matches no parameter.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    unused, exempt = set(settings.rates), set(undecayed)
    for full_name, parameter in model.named_parameters():
        name = full_name.removeprefix("student.")
        unused -= {beginning for beginning in settings.rates if begins(name, beginning)}
        if not parameter.requires_grad:
            continue
        beginning = longest_beginning(name, settings.rates)
        lr = settings.lr * (settings.rates[beginning] if beginning else 1.0)
        if name.endswith(".bias"):
            lr *= settings.bias_rate
        decays = parameter.ndim > 1 or settings.decay_norms_and_biases
        decay = settings.weight_decay if decays and parameter not in exempt else 0.0
        groups.setdefault((lr, decay), []).append(parameter)
    if unused:
        raise RecipeError(
            f"optimiser.rates: no parameter's name begins with {', '.join(sorted(unused))}; "
            f"names begin with {', '.join(_parts(model))}"
        )
    listed = [
        {"params": parameters, "lr": lr, "base_lr": lr, "weight_decay": decay}
        for (lr, decay), parameters in groups.items()
    ]
    if settings.kind == "sgd":
        return torch.optim.SGD(listed, momentum=settings.momentum)
    adam = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    return adam(listed, betas=settings.betas)


def _parts(model: nn.Module) -> list[str]:
    names = (name.removeprefix("student.") for name, _ in model.named_parameters())
    return sorted({name.split(".")[0] for name in names})


def lr_factor(schedule: Schedule, step: int, steps_per_epoch: int) -> float:
    """Return the factor on the base learning rates at optimiser step `step`, counted from 0."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    if schedule.kind == "step":
        epoch = step // steps_per_epoch
        return schedule.step_factor ** bisect.bisect_right(sorted(schedule.step_epochs), epoch)
    total = schedule.epochs * steps_per_epoch - schedule.warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - schedule.warmup_steps) / max(total, 1)))


def set_lr(optimiser: torch.optim.Optimizer, factor: float) -> float:
    """Set every group's learning rate to `factor` times its base rate; return the largest."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * factor
    return float(max(group["lr"] for group in optimiser.param_groups))
