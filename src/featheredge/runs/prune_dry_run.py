"""A pruning run without a run folder: what it would do, and the time of its fine-tunings."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from featheredge.channels.groups import find_groups
from featheredge.models.cost import num_params
from featheredge.pruning.budget import Budget
from featheredge.pruning.prunable import prunable_ties
from featheredge.runs.calibration import calibration_pairs
from featheredge.runs.fine_tuning import training_recipe
from featheredge.runs.network_source import ZooSource, open_source
from featheredge.runs.prune_recipe import CUT, LEARNED, NORMS, REFIT, UNPRUNED, PruneRecipe
from featheredge.runs.prune_run import has_norms
from featheredge.training.dry_run import RunPlan, plan_run
from featheredge.training.recipe_file import refuse_another


@dataclass(frozen=True)
class PrunePlan:
    """What a pruning run will do; printing it gives the plan.

    Attributes:
        recipe: What is run.
        network: The class of the network.
        num_params: Parameters of the network before it is pruned.
        num_groups: Groups of channels.
        num_prunable: Groups that may shrink.
        num_pictures: Pictures that calibration draws from.
        steps: Names of the steps, in their order.
        fine_tunings: Plan of each fine-tuning, timed on the unpruned network.
    """

    recipe: PruneRecipe
    network: str
    num_params: int
    num_groups: int
    num_prunable: int
    num_pictures: int
    steps: tuple[str, ...]
    fine_tunings: dict[str, RunPlan]

    def __str__(self) -> str:
        recipe, calibration = self.recipe, self.recipe.calibration
        side = calibration.crop_px
        rows = {
            "recipe": recipe.name if recipe.task is None else f"{recipe.name}, {recipe.task}",
            "network": f"{self.network}, {self.num_params:,} parameters, from {recipe.source}",
            "groups": f"{self.num_groups} groups of channels, {self.num_prunable} may shrink",
            "channels": _what_stays(recipe),
            "data": (
                f"{calibration.count} calibration pictures of {side}x{side}, drawn from "
                f"{self.num_pictures:,}"
            ),
            "steps": ", ".join(self.steps),
        }
        lines = [f"{name:9}{text}" for name, text in rows.items()]
        for name, plan in self.fine_tunings.items():
            lines += ["", f"fine-tuning {name}, timed on the unpruned network:"]
            lines += [f"  {line}" for line in str(plan).splitlines()]
        return "\n".join(lines)


def plan_chain(recipe: PruneRecipe, folder: Path) -> PrunePlan:
    """Open what a pruning run needs, and time a few steps of each fine-tuning.

    Nothing is written to `folder`, nothing is pruned, and no budget is planned.

    Args:
        recipe: What to run.
        folder: Where the run would be.

    Raises:
        RecipeError: The folder holds a run of another recipe, or the recipe cannot be run.
        ArgumentError: The network does not have the groups that the recipe names.
        UnknownModelError: The source does not exist.
        WeightsError: The weights of the source are missing or damaged.
        EvaluationError: A data set is not where the recipe says.
    """
    refuse_another(folder, recipe)
    source = open_source(recipe)
    groups = find_groups(source.network, torch.zeros(1, 3, *recipe.size))
    ties, _ = prunable_ties(source.network, groups, recipe.budget or Budget(ratio=1.0))
    steps = [UNPRUNED, CUT]
    if recipe.prune.criterion != LEARNED:
        steps.append(REFIT)
    if has_norms(source.network):
        steps.append(NORMS)
    with TemporaryDirectory() as scratch:
        start = Path(scratch) / "start"
        if recipe.training:
            assert isinstance(source, ZooSource)  # a recipe with [training] names one
            source.save(source.network, {}, start)
        fine_tunings = {
            name: plan_run(training_recipe(recipe, name, training, start), Path(scratch) / name)
            for name, training in recipe.training.items()
        }
    return PrunePlan(
        recipe,
        type(source.network).__name__,
        num_params(source.network),
        len(groups),
        sum(len(tie) for tie in ties),
        len(calibration_pairs(recipe)),
        (*steps, *recipe.training),
        fine_tunings,
    )


def _what_stays(recipe: PruneRecipe) -> str:
    """What decides how many channels stay, in words."""
    budget = recipe.budget
    if budget is None:
        learned = recipe.prune.criterion == LEARNED
        return "those that training has kept" if learned else "those that prune.counts says"
    share, what = next(
        (share, what)
        for share, what in (
            (budget.ratio, "the channels of each group"),
            (budget.macs, "the multiply-adds"),
            (budget.latency, "the time on this machine"),
        )
        if share is not None
    )
    return f"chosen by {recipe.prune.criterion} for {share:g} of {what}"
