"""One batch at a time in an output folder."""

from contextlib import AbstractContextManager, nullcontext

from featheredge.address import Address
from featheredge.batch.plan import Naming
from featheredge.run_folder import locked


def claimed(naming: Naming) -> AbstractContextManager[None]:
    """Let no other process write in the output folder meanwhile.

    Outputs next to their inputs, and a single output file, have no folder of their own, and
    an address has no locks, so two processes may write there; each file is then written whole, by
    both.

    Args:
        naming: Says where outputs are.

    Raises:
        OutputError: Another process holds the folder, or it cannot be written.
    """
    if naming.output is None or naming.one_file or isinstance(naming.output, Address):
        return nullcontext()
    return locked(naming.output)
