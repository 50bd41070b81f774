"""The pictures that layers are measured on.

Shapes: B pictures of a batch, P pixels of their side, H W pixels of a picture.
"""

from pathlib import Path

import torch
from torch import Tensor

from featheredge import image
from featheredge.data.augment import Augmentation
from featheredge.data.crops import Crops
from featheredge.data.pairs import Pair, Pairs, annotated_pairs, to_tensor
from featheredge.errors import RecipeError
from featheredge.image import IMAGE_SUFFIXES
from featheredge.memory import refuse_above_memory
from featheredge.runs.prune_recipe import PruneRecipe

#: Pictures that go through a network at once.
_BATCH = 8


class Pictures:
    """Pictures without labels: item `i` is image (3, H, W) in [0, 1], RGB, and label (0, H, W)."""

    def __init__(self, folder: Path) -> None:
        """List the pictures of a folder and of any folders inside.

        Raises:
            RecipeError: there are none.
        """
        files = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        self._files = sorted(files)
        if not self._files:
            raise RecipeError(f"calibration.pictures: there are no pictures in {folder}")

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Pair:
        picture = to_tensor(image.load(self._files[index]))
        return picture, picture[:0]


def calibration_pictures(recipe: PruneRecipe) -> list[Tensor]:
    """The recipe's pictures, (B, 3, P, P) float32 in [0, 1], RGB; the last batch may be smaller.

    Pictures come in an order of their own and are cut at places of their own, both by the seed;
    where more are asked for than there are, they come again, cut elsewhere.

    Raises:
        RecipeError: The folder has no pictures, or the machine has too little memory.
        EvaluationError: The data set is not where the recipe says.
    """
    settings = recipe.calibration
    refuse_above_memory(
        4 * 3 * settings.crop_px**2 * settings.count,
        f"calibration on {settings.count} pictures of {settings.crop_px}x{settings.crop_px}",
        "lower calibration.crop_px or calibration.count",
    )
    how = Augmentation(settings.crop_px, whole=settings.whole, flip=False)
    crops = Crops(calibration_pairs(recipe), how, recipe.seed)
    pictures = [crops[number][0] for number in range(settings.count)]
    return [torch.stack(pictures[i : i + _BATCH]) for i in range(0, len(pictures), _BATCH)]


def calibration_pairs(recipe: PruneRecipe) -> Pairs:
    """The pictures that calibration draws from.

    Raises:
        RecipeError: The folder of the recipe has no pictures.
        EvaluationError: The data set is not where the recipe says.
    """
    if recipe.calibration.pictures is not None:
        return Pictures(recipe.calibration.pictures)
    data = recipe.data
    assert data is not None
    assert recipe.task is not None
    return annotated_pairs(recipe.task, data.root, data.train_splits)
