"""The training loop: one recipe in, one run folder out.

The run folder holds `recipe.json` (as run), `log.jsonl` (one line a step), `checkpoint.safetensors`
(all state, replaced atomically), `maps/` (pictures of what the network sees) and, at the end,
`model/` (the averaged network, see `featheredge.models.build`).

A run that was stopped goes on exactly where its checkpoint is: crops are numbered (see
`featheredge.data.datasets.Crops`), the learning rate is a function of the step, and what lies
past the checkpoint in the log is dropped and done again.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor
from torch.utils.data import DataLoader

from featheredge.data.datasets import Crops, EdgePairs, Pair
from featheredge.errors import RecipeError
from featheredge.files import write_bytes
from featheredge.models import build
from featheredge.models.network import Network
from featheredge.training import checkpoint
from featheredge.training.allocator import keep_freed_memory
from featheredge.training.average import moving_average, reestimate_norms
from featheredge.training.recipe import Recipe
from featheredge.training.schedule import lr_factor, make_optimiser, set_lr
from featheredge.training.validation import draw_maps, mean_loss

Record = dict[str, Any]


@dataclass(frozen=True)
class Length:
    """How many steps a run has, fixed before it starts."""

    steps_per_epoch: int
    epochs: int

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.steps_per_epoch * self.epochs


def train(
    recipe: Recipe,
    folder: Path,
    *,
    accelerator: str = "cpu",
    devices: int = 1,
    report: Callable[[Record, Length], None] = lambda record, length: None,
) -> Path:
    """Run `recipe` in `folder`, or go on with the run that is there.

    Args:
        recipe: what to do.
        folder: the run folder; made if absent.
        accelerator: "cpu", "cuda", ... as Lightning Fabric names them; never chosen silently.
        devices: how many of them.
        report: called with every line of the log.

    Returns:
        The folder of the trained network.

    Raises:
        RecipeError: the folder holds a run of another recipe.
        WeightsError: its checkpoint is damaged.
        EvaluationError: the data set is not where the recipe says.
    """
    keep_freed_memory()
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=recipe.run.precision)
    fabric.launch()
    torch.manual_seed(recipe.seed)
    _claim(folder, recipe)
    train_pairs = EdgePairs(recipe.data.root, recipe.data.train_splits)
    val_pairs = EdgePairs(recipe.data.root, recipe.data.val_splits)
    samples_per_step = recipe.run.batch_size * recipe.run.accumulate * fabric.world_size
    length = Length(-(-len(train_pairs) // samples_per_step), recipe.schedule.epochs)

    network = _make_network(recipe)
    model, optimiser = fabric.setup(network, make_optimiser(network, recipe.optimiser))
    average = moving_average(network, recipe.run.ema_decay)
    averaged = average.module
    assert isinstance(averaged, Network)
    state = folder / "checkpoint.safetensors"
    first = checkpoint.read(state, network, average, optimiser)["step"] if state.exists() else 0
    log = _Log(folder / "log.jsonl", first, length, report if fabric.is_global_zero else None)

    batches = _batches(recipe, train_pairs, fabric, first, length)
    for step in range(first + 1, length.steps + 1):
        started = time.perf_counter()
        lr = set_lr(optimiser, lr_factor(recipe.schedule, step - 1, length.steps_per_epoch))
        loss = _step(fabric, network, model, optimiser, batches, recipe)
        average.update_parameters(network)
        rate = samples_per_step / (time.perf_counter() - started)
        log.write({"step": step, "loss": loss, "lr": lr, "samples_per_s": rate})
        epoch, within = divmod(step, length.steps_per_epoch)
        if not fabric.is_global_zero:
            continue
        if within == 0 and epoch % recipe.run.validate_every_epochs == 0:
            _settle(averaged, train_pairs, recipe, fabric.device)
            sheet = folder / "maps" / f"epoch-{epoch:04d}.png"
            draw_maps(averaged, val_pairs or train_pairs, fabric.device, sheet)
            if val_pairs:
                val_loss = mean_loss(averaged, val_pairs, recipe.loss, fabric.device)
                log.write({"step": step, "epoch": epoch, "val_loss": val_loss})
        if within == 0 or step % recipe.run.checkpoint_every_steps == 0:
            checkpoint.write(state, network, average, optimiser, {"step": step})
    if fabric.is_global_zero:
        _settle(averaged, train_pairs, recipe, fabric.device)
        build.save(averaged, folder / "model")
    fabric.barrier()
    return folder / "model"


def _make_network(recipe: Recipe) -> Network:
    """The recipe's network with its initial weights."""
    network = build.create_model(recipe.network.name, widths=recipe.network.widths)
    if recipe.network.backbone is not None:
        build.load_backbone(network, recipe.network.backbone)
    if recipe.run.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _step(
    fabric: Fabric,
    network: Network,
    model: _FabricModule,
    optimiser: torch.optim.Optimizer,
    batches: Iterator[list[Tensor]],
    recipe: Recipe,
) -> float:
    """One optimiser step over `accumulate` batches; returns the mean loss."""
    model.train()
    optimiser.zero_grad()
    total = 0.0
    for part in range(recipe.run.accumulate):
        image, label = next(batches)
        if recipe.run.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with fabric.no_backward_sync(model, enabled=part < recipe.run.accumulate - 1):
            loss = recipe.loss(model(network.normalise(image)), label) / recipe.run.accumulate
            fabric.backward(loss)
        total += loss.item()
    if not torch.isfinite(torch.tensor(total)):
        raise RecipeError(
            f"the loss became {total}; lower optimiser.lr or set optimiser.clip_norm. "
            "The last checkpoint is intact"
        )
    if recipe.optimiser.clip_norm is not None:
        fabric.clip_gradients(model, optimiser, max_norm=recipe.optimiser.clip_norm)
    optimiser.step()
    return total


def _batches(
    recipe: Recipe, pairs: EdgePairs, fabric: Fabric, first_step: int, length: Length
) -> Iterator[list[Tensor]]:
    """This process's batches from `first_step` on; crop numbers go round the processes in turn."""
    size, world = recipe.run.batch_size, fabric.world_size
    first, last = (s * recipe.run.accumulate for s in (first_step, length.steps))
    starts = ((n * world + fabric.global_rank) * size for n in range(first, last))
    loader: DataLoader[Pair] = DataLoader(
        Crops(pairs, len(pairs), recipe.augment, recipe.seed),
        batch_sampler=[list(range(start, start + size)) for start in starts],
        num_workers=recipe.data.num_workers,
    )
    return iter(fabric.setup_dataloaders(loader, use_distributed_sampler=False))  # type: ignore[arg-type]


def _settle(network: Network, pairs: EdgePairs, recipe: Recipe, device: torch.device) -> None:
    """Fit the batch norms of the averaged network to its weights, on the run's first crops."""
    crops = Crops(pairs, len(pairs), recipe.augment, recipe.seed)
    size = recipe.run.batch_size
    starts = range(0, recipe.run.norm_batches * size, size)
    batches = ([crops[n][0] for n in range(start, start + size)] for start in starts)
    reestimate_norms(network, (torch.stack(batch).to(device) for batch in batches))


def _claim(folder: Path, recipe: Recipe) -> None:
    """Note the recipe in the run folder, or check that the run there has the same one."""
    note = folder / "recipe.json"
    wanted = recipe.model_dump_json(indent=1).encode()
    if note.exists() and note.read_bytes() != wanted:
        raise RecipeError(
            f"{folder}: holds a run of another recipe (see {note.name}); give another folder, or "
            "remove this one to start again"
        )
    write_bytes(note, wanted)


class _Log:
    """The run's JSON lines; lines past the step that the run goes on from are dropped."""

    def __init__(
        self,
        path: Path,
        step: int,
        length: Length,
        report: Callable[[Record, Length], None] | None,
    ) -> None:
        self._path, self._length, self._report = path, length, report
        if report is not None and path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith(b"\n") and _step_of(line) <= step]
            write_bytes(path, b"".join(kept))

    def write(self, record: Record) -> None:
        """Append one line; only the first process has a log."""
        if self._report is None:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._report(record, self._length)


def _step_of(line: bytes) -> int:
    return int(json.loads(line)["step"])
