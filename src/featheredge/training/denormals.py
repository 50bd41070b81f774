"""Numbers too small for a processor to be fast with, as zeros while training.

Channels that decay to nothing pass through them, and a step then takes several times as long: see
docs/training-logs/csnet-x1-decay-dynamic.jsonl before step 1,000, and after it, without them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take denormal numbers for zero where the processor can; afterwards as it was before."""
    before = _are_flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _are_flushed() -> bool:
    tiny = torch.tensor(torch.finfo(torch.float32).tiny)
    return bool(tiny / 2 == 0)
