"""Train one network in several processes: they find each other and share batches.

Each batch of the recipe is cut into equal shares, one for every process, so the number of processes
decides how fast a run is and not what it computes.
"""

import os
from collections.abc import Iterator
from datetime import timedelta

from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch import Tensor

from featheredge.errors import ArgumentError, RecipeError

#: How long a process waits for the others. One machine may decode its pictures long before another.
_PATIENCE = timedelta(hours=6)


def launch(accelerator: str, devices: int, precision: str) -> Fabric:
    """Start this process's part of a run, with the processes of torchrun or with new ones.

    Args:
        accelerator: As in Lightning Fabric.
        devices: Devices of this machine; 1 under torchrun, which has started the processes.
        precision: As in Lightning Fabric.

    Raises:
        ArgumentError: torchrun started another number of processes, or not as many on each machine.
    """
    machines = 1
    if under_torchrun():
        machines, devices = _from_torchrun(devices)
    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=machines,
        strategy=DDPStrategy(timeout=_PATIENCE) if machines * devices > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def under_torchrun() -> bool:
    """Return whether torchrun started this process."""
    return TorchElasticEnvironment.detect()


def num_machines() -> int:
    """Return the number of machines on which torchrun started processes; 1 without it."""
    return _from_torchrun(1)[0] if under_torchrun() else 1


def is_first() -> bool:
    """Return whether this is the process that writes and prints."""
    return getattr(rank_zero_only, "rank", 0) == 0


def check_shares(batch_size: int, processes: int) -> None:
    """Check that a batch can be cut into equal shares.

    Raises:
        RecipeError: It cannot.
    """
    if batch_size % processes:
        possible = [str(n) for n in range(1, batch_size + 1) if batch_size % n == 0]
        raise RecipeError(
            f"{processes} processes cannot share run.batch_size = {batch_size} equally; start "
            f"{', '.join(possible)} processes, or change run.batch_size"
        )


def shares(batch_size: int, batches: range, process: int, processes: int) -> Iterator[list[int]]:
    """Yield the crop numbers of one process, batch by batch.

    Args:
        batch_size: Crops of a batch, of all processes together.
        batches: Numbers of the batches.
        process: Number of the process.
        processes: Their number.
    """
    size = batch_size // processes
    for batch in batches:
        first = batch * batch_size + process * size
        yield list(range(first, first + size))


def add_up(fabric: Fabric, values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes; itself if there is one process."""
    if fabric.world_size == 1:
        return values
    total = fabric.all_reduce(values.to(fabric.device), reduce_op="sum")
    assert isinstance(total, Tensor)
    return total.to(values.device)


def _from_torchrun(devices: int) -> tuple[int, int]:
    """Return the number of machines and of processes on each."""
    here, total = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if devices not in (1, here):
        raise ArgumentError(
            f"--devices {devices}, but torchrun started {here} processes on this machine; leave "
            "--devices out"
        )
    if total % here:
        raise ArgumentError(
            f"torchrun started {here} of {total} processes on this machine; start the same number "
            "on every machine"
        )
    return total // here, here
