"""Load what a training run starts from: pictures, and a network with initial weights."""

from featheredge.data.decoded import Progress
from featheredge.data.pairs import (
    ConcatPairs,
    Decoded,
    EdgePairs,
    MaskPairs,
    Pairs,
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
from featheredge.training.recipe_sections import Data

#: Weights, their gradients, their moving average, and two moments of Adam.
_COPIES = 5


def training_pairs(recipe: Recipe, on_decoded: Progress = lambda done, total: None) -> ConcatPairs:
    """Return the annotated pictures, repeated as the recipe says, then the unlabelled ones.

    Args:
        recipe: The recipe.
        on_decoded: Called while `data.cache` is filled.

    Raises:
        EvaluationError: The data set is not where the recipe says, or is incomplete.
        OutputError: `data.cache` cannot be written.
    """
    data = recipe.data
    if data.unlabelled is None:
        annotated = annotated_pairs(recipe.task, data.root, data.train_splits, data.maps)
        _keep(data, annotated, on_decoded)
        return ConcatPairs((annotated, data.repeat))
    annotated = (
        EdgePairs(data.root, data.train_splits, data.maps)
        if recipe.task == "edges"
        else MaskPairs(data.root, data.train_splits, data.maps, taught_by_masks=True)
    )
    taught = TeacherPairs(recipe.task, data.unlabelled.pictures, data.unlabelled.maps)
    for pairs in (annotated, taught):
        _keep(data, pairs, on_decoded)
    return ConcatPairs((annotated, data.repeat), (taught, 1))


def validation_pairs(recipe: Recipe, on_decoded: Progress = lambda done, total: None) -> Pairs:
    """Return the annotated pictures of `data.val_splits`; see `training_pairs`."""
    pairs = annotated_pairs(recipe.task, recipe.data.root, recipe.data.val_splits)
    _keep(recipe.data, pairs, on_decoded)
    return pairs


def _keep(data: Data, pairs: Decoded, on_decoded: Progress) -> None:
    if data.cache is not None:
        pairs.keep_in(data.cache, on_decoded)


def initial_network(recipe: Recipe) -> Network:
    """Build the network of a recipe with its initial weights.

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


def refuse_large_step(recipe: Recipe, network: Network, machines: int = 1) -> None:
    """Estimate the memory of a training step before anything is allocated.

    Args:
        recipe: The recipe.
        network: Its network.
        machines: Number of machines that share a batch.

    Raises:
        RecipeError: The machine has less.
    """
    side = recipe.augment.crop_px
    refuse_above_memory(
        step_bytes(recipe, network, machines),
        f"a training step on {recipe.run.batch_size} crops of {side}x{side}",
        "lower augment.crop_px or run.batch_size",
    )


def step_bytes(recipe: Recipe, network: Network, machines: int = 1) -> int:
    """Estimate the memory of a training step on each machine that shares a batch.

    Teachers and decoded pictures are not counted.
    """

    def twin() -> Network:
        return type(network)(network.config)

    kept = activation_bytes(twin, recipe.run.batch_size // machines, recipe.augment.crop_px)
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
