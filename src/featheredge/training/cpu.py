"""What makes training on a CPU fast: freed memory is kept, and tiny numbers are zeros."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# glibc's <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Tell glibc to reuse freed blocks instead of returning them to the kernel.

    Each training step allocates and frees the same few hundred megabytes. Handing them back
    costs a page fault for every 4 KB of the next step, which took a third of the time of a
    MobileEdge step. Does nothing on other C libraries.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 2**28)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take denormal numbers for zero where the processor can; afterwards as it was before.

    They are too small for a processor to be fast with. Channels that decay to nothing pass through
    them, and a step then takes several times as long: see
    docs/training-logs/csnet-x1-decay-dynamic.jsonl before step 1,000, and after it, without them.
    """
    before = _are_flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _are_flushed() -> bool:
    tiny = torch.tensor(torch.finfo(torch.float32).tiny)
    return bool(tiny / 2 == 0)
