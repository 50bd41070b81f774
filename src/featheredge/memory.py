"""Memory check: refuse work that needs more memory than the machine has, before it starts."""

import os
from pathlib import Path

from featheredge.errors import RecipeError

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_bytes() -> int | None:
    """Return the memory of the machine, or of the container if less; None if unknown."""
    known = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if _CGROUP_LIMIT.is_file() and (limit := _CGROUP_LIMIT.read_text().strip()).isdecimal():
        known.append(int(limit))
    return min(known, default=None)


def refuse_above_memory(num_bytes: float, what: str, advice: str) -> None:
    """Raise an error if the estimated memory is more than the machine has.

    Args:
        num_bytes: Estimated memory.
        what: What needs the memory, such as "a training step".
        advice: What to change, such as "lower run.batch_size".

    Raises:
        RecipeError: The estimate is larger than the memory of the machine.
    """
    limit = machine_bytes()
    if limit is not None and num_bytes > limit:
        raise RecipeError(
            f"{what} needs about {num_bytes / 1e9:,.0f} GB of memory; this machine has "
            f"{limit / 1e9:,.0f} GB: {advice}"
        )
