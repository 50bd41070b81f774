"""What a pruned network may cost, and which channel counts it may have.

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
    """What to keep: exactly one of `ratio`, `macs` and `latency`, each a share above 0, up to 1.

    Attributes:
        ratio: of the units of every group.
        macs: of the multiply-adds of the network's convolutions.
        latency: of the network's milliseconds, on this machine.
        multiple: counts are multiples of it, where the group is larger.
        least: share of a group that always stays.
        keep: beginnings of the names of groups that are not pruned.
        size: height and width in pixels of the pictures that costs are counted for.
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
            raise ValueError(f"a budget is one of ratio, macs and latency; got {found}")
        if self.ratio is not None and self.ratio < self.least:
            raise ValueError(f"ratio = {self.ratio:g} is less than least = {self.least:g}")
        return self

    def counts(self, units: int) -> list[int]:
        """What a group of so many units may be left with, descending from all of them."""
        least = max(1, ceil(self.least * units - 1e-9))
        step = self.multiple if units > self.multiple else 1
        return [units, *(n for n in range(units - 1, least - 1, -1) if n % step == 0)]
