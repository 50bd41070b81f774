"""Refuse work that the machine's memory cannot hold, before any of it is allocated."""

import os
from pathlib import Path

from featheredge.errors import RecipeError

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_bytes() -> int | None:
    """The memory of this machine, or of this container if that is less; None if not known."""
    known = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if _CGROUP_LIMIT.is_file() and (limit := _CGROUP_LIMIT.read_text().strip()).isdecimal():
        known.append(int(limit))
    return min(known, default=None)


def refuse_above_memory(num_bytes: float, what: str, advice: str) -> None:
    """Compare an estimate with the machine's memory.

    Args:
        num_bytes: The estimate.
        what: What needs it, as in "a training step".
        advice: What to change, as in "lower run.batch_size".

    Raises:
        RecipeError: It is more than the machine has.
    """
    limit = machine_bytes()
    if limit is not None and num_bytes > limit:
        raise RecipeError(
            f"{what} needs about {num_bytes / 1e9:,.0f} GB of memory; this machine has "
            f"{limit / 1e9:,.0f} GB: {advice}"
        )
