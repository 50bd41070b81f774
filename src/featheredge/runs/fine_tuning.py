"""Make the training recipe of a fine-tuning step from a prune recipe."""

from pathlib import Path

from featheredge.errors import RecipeError
from featheredge.runs.prune_recipe import FineTuning, PruneRecipe
from featheredge.training.recipe import Distillation, Recipe, make_recipe
from featheredge.training.recipe_file import find_recipe, read_toml


def training_recipe(recipe: PruneRecipe, name: str, training: FineTuning, start: Path) -> Recipe:
    """Return the training recipe of a fine-tuning step.

    Args:
        recipe: The prune recipe.
        name: Name of the step.
        training: The fine-tuning.
        start: Folder of the pruned network to start from.

    Raises:
        RecipeError: No recipe has this name, or it does not fit these data or this teacher.
    """
    assert recipe.data is not None
    table = read_toml(find_recipe(training.recipe), training.settings)
    table["name"] = f"{recipe.name}-{name}"
    if table.get("task", recipe.task) != recipe.task:
        raise RecipeError(
            f"training.{name}: the task of {training.recipe} is {table['task']}, and the task of "
            f"this run is {recipe.task}; name a recipe for {recipe.task}"
        )
    # The finished step is scored on val_splits, so training itself does not need them.
    table["data"] = recipe.data.model_dump() | {"val_splits": (), "maps": training.maps}
    table["network"] = {"initial": str(start)}
    if training.distill is not None:
        teachers = (recipe.source,) if training.maps is None else ()
        distillation = Distillation(teachers=teachers, output=training.distill)
        table["distill"] = distillation.model_dump()
    return make_recipe(table, f"training.{name}")
