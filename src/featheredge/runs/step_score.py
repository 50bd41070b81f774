"""Score the exported network of a pruning step on the recipe's validation pictures."""

from pathlib import Path

from featheredge.files import write_json
from featheredge.metrics.benchmark import score_bsds, score_masks
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.run_folder import NETWORK_FILE, SCORE_FILE
from featheredge.runs.prune_recipe import PruneRecipe
from featheredge.timing import num_cores


def score_step(recipe: PruneRecipe, folder: Path) -> tuple[str | None, float | None]:
    """Score the network in a step's folder, and write all scores beside it.

    Args:
        recipe: The prune recipe.
        folder: The folder of the step.

    Returns:
        Name of the score, "ODS" or "max F", and its value; None twice if the recipe has no
        `data.val_splits`.
    """
    data = recipe.data
    if data is None or not data.val_splits:
        return None, None
    evaluate = score_bsds if recipe.task == "edges" else score_masks
    scores = evaluate(
        str(folder / NETWORK_FILE),
        data.root,
        folder / "val-maps",
        splits=data.val_splits,
        workers=num_cores(),
    )
    write_json(folder / SCORE_FILE, scores.to_dict())
    if isinstance(scores, EdgeScores):
        return "ODS", scores.ods.f
    return "max F", float(scores.f.max())
