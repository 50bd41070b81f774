"""The training loop: one recipe in, one run folder out.

The run folder holds `recipe.json` (as run), `log.jsonl` (one line a step), `checkpoint.safetensors`
(all state, replaced atomically), `maps/` (sheets of pictures, labels and maps) and, at the end,
`model/` (the averaged network, see `featheredge.models.build`).

An interrupted run resumes exactly at its checkpoint: crops are numbered (see
`featheredge.data.crops.Crops`), the learning rate is a function of the step, and log lines after
the checkpoint are dropped and written again.

Several processes share every batch (see `featheredge.training.processes`): gradients, losses and
batch norms are those of the whole batch, so a run may resume on another number of processes.
"""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from featheredge.data.crops import Crops
from featheredge.data.decoded import Progress
from featheredge.data.pairs import Pair
from featheredge.errors import EvaluationError, RecipeError
from featheredge.files import sweep
from featheredge.models import build
from featheredge.models.network import Network, Purpose
from featheredge.run_folder import CHECKPOINT_FILE, LOG_FILE, MODEL_DIR, locked
from featheredge.training import checkpoint
from featheredge.training.average import moving_average, reestimate_norms
from featheredge.training.cpu import flushed_denormals, keep_freed_memory
from featheredge.training.frozen import fix_norms, freeze, set_training
from featheredge.training.log import Length, Log, LogCallback, Record
from featheredge.training.norm_decay import NormDecay
from featheredge.training.objective import Objective
from featheredge.training.optimiser import lr_factor, make_optimiser, set_lr
from featheredge.training.processes import add_up, check_shares, launch, num_machines, shares
from featheredge.training.recipe import Recipe
from featheredge.training.recipe_file import claim
from featheredge.training.shared_norms import share_norms
from featheredge.training.start import (
    initial_network,
    refuse_large_step,
    training_pairs,
    validation_pairs,
)
from featheredge.training.validation import draw_maps, mean_loss


@flushed_denormals()
def train(
    recipe: Recipe,
    folder: Path,
    *,
    accelerator: str = "cpu",
    devices: int = 1,
    on_record: LogCallback = lambda record, length: None,
    on_decoded: Progress = lambda done, total: None,
) -> Path:
    """Run `recipe` in `folder`, or resume the run in it.

    Args:
        recipe: What to run.
        folder: The run folder; created if absent.
        accelerator: "cpu", "cuda", ... as in Lightning Fabric; no other is used instead.
        devices: Number of devices; leave it out under torchrun.
        on_record: Called with every line of the log, in the first process.
        on_decoded: Called while `data.cache` is filled, with the number of decoded pictures and
            their total.

    Returns:
        The folder of the trained network.

    Raises:
        ArgumentError: `devices` is not the number of processes that torchrun started.
        OutputError: Another process works in the folder, or `data.cache` cannot be written.
        RecipeError: The folder holds a run of another recipe, the recipe cannot be run, or the loss
            is no longer finite.
        WeightsError: The checkpoint or the initial weights are damaged.
        EvaluationError: The data set is not where the recipe says, or has lost or gained pictures
            since the run began.
    """
    keep_freed_memory()
    fabric = launch(accelerator, devices, recipe.run.precision)
    with locked(folder) if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero:
            sweep(folder)
            claim(folder, recipe)
        fabric.barrier()
        run = TrainingRun(recipe, folder, fabric, on_record, on_decoded)
        for step in range(run.first_step + 1, run.length.steps + 1):
            run.take_step(step)
            epoch, within = divmod(step, run.length.steps_per_epoch)
            if within == 0 and epoch % recipe.run.validate_every_epochs == 0:
                run.validate(step, epoch)
            if within == 0 or step % recipe.run.checkpoint_every_steps == 0:
                run.write_checkpoint(step)
        return run.finish()


class TrainingRun:
    """The state of a run. Every process trains and validates; the first one alone writes."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        fabric: Fabric,
        on_record: LogCallback = lambda record, length: None,
        on_decoded: Progress = lambda done, total: None,
    ) -> None:
        check_shares(recipe.run.batch_size, fabric.world_size)
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, self.fabric = recipe, folder, fabric
        self.train_pairs = training_pairs(recipe, on_decoded)
        self.val_pairs = validation_pairs(recipe, on_decoded)
        self.samples_per_step = recipe.run.batch_size * recipe.run.accumulate
        steps_per_epoch = math.ceil(len(self.train_pairs) / self.samples_per_step)
        self.length = Length(steps_per_epoch, recipe.schedule.epochs)

        self.network = initial_network(recipe)
        if fabric.device.type == "cpu":
            refuse_large_step(recipe, self.network, machines=num_machines())
        if recipe.run.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze(self.network, recipe.optimiser.rates)
        fix_norms(self.network, recipe.optimiser.fixed_norms)
        self.objective = Objective(self.network, recipe.loss, recipe.distill, fabric.device)
        self.decay = NormDecay(
            self.network, recipe.decay, recipe.augment.crop_px, fabric.all_reduce
        )
        optimiser = make_optimiser(self.objective, recipe.optimiser, self.decay.scales)
        self.model, self.optimiser = fabric.setup(self.objective, optimiser)
        self.average = moving_average(self.network, recipe.run.ema_decay)
        if fabric.world_size > 1:
            share_norms(self.network)
        self.checkpoint = folder / CHECKPOINT_FILE
        self.first_step = self._resume()
        self.log: Log | None = None
        if fabric.is_global_zero:
            self.log = Log(folder / LOG_FILE, self.first_step, self.length, on_record)
        self.crops = Crops(self.train_pairs, recipe.augment, recipe.seed)
        self.batches = self._batches()

    def take_step(self, step: int) -> None:
        """Take optimiser step number `step`, counted from 1."""
        started = time.perf_counter()
        factor = lr_factor(self.recipe.schedule, step - 1, self.length.steps_per_epoch)
        lr = set_lr(self.optimiser, factor)
        set_training(self.model)
        self.optimiser.zero_grad()
        with self.decay.measuring():
            loss = self._accumulate_gradients()
        if self.recipe.optimiser.clip_norm is not None:
            self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=self.recipe.optimiser.clip_norm
            )
        self.decay.add_to_gradients()
        self.optimiser.step()
        self.decay.shrink(self.optimiser)
        self.average.update_parameters(self.network)
        rate = self.samples_per_step / (time.perf_counter() - started)
        self._write({"step": step, "loss": loss, "lr": lr, "samples_per_s": rate})

    def validate(self, step: int, epoch: int) -> None:
        """Draw maps of the averaged network, and compute its loss on the validation pictures."""
        network = self._averaged_network()
        if self.fabric.is_global_zero:
            sheet = self.folder / "maps" / f"epoch-{epoch:04d}.png"
            draw_maps(network, self.val_pairs or self.train_pairs, self.fabric.device, sheet)
        if self.val_pairs:
            val_loss = mean_loss(network, self.val_pairs, self.recipe.loss, self.fabric)
            self._write({"step": step, "epoch": epoch, "val_loss": val_loss})

    def write_checkpoint(self, step: int) -> None:
        """Replace the checkpoint by the state after optimiser step number `step`."""
        if self.fabric.is_global_zero:
            state = (self.objective, self.average, self.optimiser)
            progress = {"step": step, "pictures": len(self.train_pairs)}
            checkpoint.write(self.checkpoint, *state, progress)

    def finish(self) -> Path:
        """Save the averaged network."""
        network = self._averaged_network()
        if self.fabric.is_global_zero:
            purpose = Purpose(self.recipe.task, self.recipe.input_px)
            build.save(network, self.folder / MODEL_DIR, purpose)
        self.fabric.barrier()
        return self.folder / MODEL_DIR

    def _resume(self) -> int:
        """Load the checkpoint if one exists, and return the number of completed steps.

        The first process reads it for all: on other machines the folder may not exist.
        """
        stored: checkpoint.Stored | None = None
        if self.fabric.is_global_zero and self.checkpoint.exists():
            stored = checkpoint.read(self.checkpoint)
        stored = self.fabric.broadcast(stored)
        if stored is None:
            return 0
        self._refuse_other_pictures(stored)
        checkpoint.restore(stored, self.objective, self.average, self.optimiser)
        return int(stored.progress["step"])

    def _refuse_other_pictures(self, stored: checkpoint.Stored) -> None:
        """Refuse to resume with other pictures: crops are numbered, so it would be another run."""
        now = len(self.train_pairs)
        before = stored.progress.get("pictures", now)
        if before != now:
            raise EvaluationError(
                f"{self.recipe.data.root}: has {now} training pictures; the run in {self.folder} "
                f"began with {before}; bring back the same pictures, or give another folder with "
                "--output"
            )

    def _accumulate_gradients(self) -> float:
        """Add up the gradients of `accumulate` batches, and return the mean loss of all crops."""
        parts, total = self.recipe.run.accumulate, 0.0
        for part in range(parts):
            image, label = next(self.batches)
            if self.recipe.run.channels_last:
                image = image.contiguous(memory_format=torch.channels_last)
            with self.fabric.no_backward_sync(self.model, enabled=part < parts - 1):
                loss = self.model(image, label) / parts
                self.fabric.backward(loss)
            total += loss.item()
        summed = add_up(self.fabric, torch.tensor(total, dtype=torch.float64))
        total = summed.item() / self.fabric.world_size
        if not math.isfinite(total):
            raise RecipeError(
                f"the loss became {total}; lower optimiser.lr or set optimiser.clip_norm. The last "
                "checkpoint is intact"
            )
        return total

    def _batches(self) -> Iterator[list[Tensor]]:
        """Return this process's shares of the remaining batches."""
        parts, fabric = self.recipe.run.accumulate, self.fabric
        batches = range(self.first_step * parts, self.length.steps * parts)
        loader: DataLoader[Pair] = DataLoader(
            self.crops,
            batch_sampler=shares(
                self.recipe.run.batch_size, batches, fabric.global_rank, fabric.world_size
            ),
            num_workers=self.recipe.data.num_workers,
        )
        prepared = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
        return iter(prepared)  # type: ignore[arg-type]

    def _averaged_network(self) -> Network:
        """Return the averaged network, with batch norms estimated on the first crops of the run.

        Processes take these batches in turn, each batch whole.
        """
        size, count, fabric = self.recipe.run.batch_size, self.recipe.run.norm_batches, self.fabric
        own = range(fabric.global_rank, count, fabric.world_size)
        batches = ([self.crops[n][0] for n in range(i * size, (i + 1) * size)] for i in own)
        network = self.average.module
        assert isinstance(network, Network)
        pictures = (torch.stack(batch).to(fabric.device) for batch in batches)
        reestimate_norms(network, map(network.normalise, pictures), partial(add_up, fabric))
        return network

    def _write(self, record: Record) -> None:
        if self.log is not None:
            self.log.write(record)
