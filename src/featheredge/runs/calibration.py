"""Load the calibration pictures on which layers are measured.

Shapes: B pictures in a batch, P side of a crop in pixels, H W pixels of a picture.
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

#: Number of pictures in a batch.
_BATCH = 8


class Pictures:
    """Pictures without labels: item i is (3, H, W) RGB in [0, 1] and an empty label (0, H, W)."""

    def __init__(self, folder: Path) -> None:
        """List the pictures of a folder and of the folders inside it.

        Raises:
            RecipeError: The folder has no pictures.
        """
        files = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        self._files = sorted(files)
        if not self._files:
            raise RecipeError(
                f"calibration.pictures: {folder} has no pictures; name a folder with files "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}"
            )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Pair:
        picture = to_tensor(image.load(self._files[index]))
        return picture, picture[:0]


def calibration_pictures(recipe: PruneRecipe) -> list[Tensor]:
    """Load the recipe's calibration pictures in batches.

    The seed sets their order and the positions of the crops. If the recipe asks for more pictures
    than exist, they repeat, cropped at other positions.

    Args:
        recipe: The prune recipe.

    Returns:
        Batches (B, 3, P, P), float32 RGB in [0, 1]; the last one may be smaller.

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
