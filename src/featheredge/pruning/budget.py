"""Define how much of a network to keep, and which channel counts groups may have.

Shapes: U units of a group (see `featheredge.channels.groups.Group`).
"""

from math import ceil
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, config={"extra": "forbid"})
class Budget:
    """The share to keep: exactly one of `ratio`, `macs` and `latency`, above 0 and at most 1.

    Attributes:
        ratio: Share of the units of every group.
        macs: Share of the multiply-adds of the network's convolutions.
        latency: Share of the network's milliseconds on this machine.
        multiple: Counts are multiples of it, in groups that have more units than it.
        least: Share of every group that is always kept.
        keep: Beginnings of the names of groups that are not pruned.
        size: Height and width in pixels of the pictures that costs are counted for.
    """

    ratio: Share | None = None
    macs: Share | None = None
    latency: Share | None = None
    multiple: Count = 8
    least: Share = 0.125
    keep: tuple[str, ...] = ()
    size: tuple[Count, Count] = (321, 481)

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = [name for name in ("ratio", "macs", "latency") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"set exactly one of ratio, macs and latency; got {found}")
        if self.ratio is not None and self.ratio < self.least:
            raise ValueError(
                f"ratio = {self.ratio:g} is less than least = {self.least:g}; raise ratio or lower "
                "least"
            )
        return self

    def counts(self, units: int) -> list[int]:
        """Return the counts that a group of `units` units may keep, descending from all of them."""
        least = max(1, ceil(self.least * units - 1e-9))
        step = self.multiple if units > self.multiple else 1
        return [units, *(n for n in range(units - 1, least - 1, -1) if n % step == 0)]
