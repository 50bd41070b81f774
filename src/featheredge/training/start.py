"""What a training run starts from: its pictures, and its network with the initial weights."""

from featheredge.data.pairs import (
    ConcatPairs,
    EdgePairs,
    MaskPairs,
    TeacherPairs,
    annotated_pairs,
)
from featheredge.errors import RecipeError
from featheredge.memory import refuse_above_memory
from featheredge.models import build
from featheredge.models.footprint import activation_bytes, parameter_bytes
from featheredge.models.network import Network
from featheredge.models.tensors import load_backbone, load_weights
from featheredge.training.recipe import Recipe

#: Weights, their gradients, their moving average, and two moments of Adam.
_COPIES = 5


def training_pairs(recipe: Recipe) -> ConcatPairs:
    """Annotated pictures as often as the recipe says, then those that only a teacher knows.

    Raises:
        EvaluationError: The data set is not where the recipe says, or is incomplete.
    """
    data = recipe.data
    if data.unlabelled is None:
        annotated = annotated_pairs(recipe.task, data.root, data.train_splits, data.maps)
        return ConcatPairs((annotated, data.repeat))
    annotated = (
        EdgePairs(data.root, data.train_splits, data.maps)
        if recipe.task == "edges"
        else MaskPairs(data.root, data.train_splits, data.maps, taught_by_masks=True)
    )
    taught = TeacherPairs(recipe.task, data.unlabelled.pictures, data.unlabelled.maps)
    return ConcatPairs((annotated, data.repeat), (taught, 1))


def initial_network(recipe: Recipe) -> Network:
    """The network of a recipe with its initial weights.

    Raises:
        UnknownModelError: No network has the name that the recipe gives.
        WeightsError: The initial weights are missing, damaged or of another network.
        RecipeError: The widths are impossible, or `augment.crop_px` is a size that a network of
            whole pictures could not be exported at.
    """
    network = _with_weights(recipe)
    if recipe.input_px is not None and recipe.input_px % network.stride:
        raise RecipeError(
            f"augment.crop_px is {recipe.input_px}; expected a multiple of {network.stride}, the "
            f"network's stride, because it sees whole pictures at this size"
        )
    return network


def refuse_large_step(recipe: Recipe, network: Network) -> None:
    """Estimate the memory of a training step before anything is allocated.

    Raises:
        RecipeError: The machine has less.
    """
    side = recipe.augment.crop_px
    refuse_above_memory(
        step_bytes(recipe, network),
        f"a training step on {recipe.run.batch_size} crops of {side}x{side}",
        "lower augment.crop_px or run.batch_size",
    )


def step_bytes(recipe: Recipe, network: Network) -> int:
    """Estimate the memory of a training step, in bytes, without teachers and decoded pictures."""

    def twin() -> Network:
        return type(network)(network.config)

    kept = activation_bytes(twin, recipe.run.batch_size, recipe.augment.crop_px)
    return kept + _COPIES * parameter_bytes(twin)


def _with_weights(recipe: Recipe) -> Network:
    wanted = recipe.network
    if wanted.name is None:
        assert wanted.initial is not None
        return build.load_trained(wanted.initial)
    network = build.create_model(wanted.name, widths=wanted.widths)
    if wanted.backbone is not None:
        load_backbone(network, wanted.backbone)
    if wanted.initial is not None:
        load_weights(network, build.load_trained(wanted.initial).state_dict(), wanted.initial)
    return network
