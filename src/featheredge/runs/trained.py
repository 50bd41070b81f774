"""The training step of an experiment: train a network, or load it if its run is complete."""

from pathlib import Path

from featheredge.models import build
from featheredge.models.network import Network
from featheredge.run_folder import MODEL_DIR
from featheredge.training.log import LogCallback
from featheredge.training.loop import train
from featheredge.training.recipe import Recipe


def trained_network(recipe: Recipe, folder: Path, on_record: LogCallback) -> Network:
    """Return the network of a run, which is trained first unless its folder has one.

    Args:
        recipe: The recipe of the run.
        folder: The run folder.
        on_record: Called with every line of the training log.
    """
    model = folder / MODEL_DIR
    if not (model / build.CONFIG_FILE).exists():
        train(recipe, folder, on_record=on_record)
    return build.load(model)
