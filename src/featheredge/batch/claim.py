"""One batch at a time in an output folder, without the remains of batches that were killed."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from featheredge.batch.plan import Job, Naming
from featheredge.files import sweep
from featheredge.run_folder import locked


@contextmanager
def claimed(naming: Naming, jobs: Iterable[Job] = ()) -> Iterator[None]:
    """Let no other process write in the output folder, and sweep the folders of all outputs.

    Outputs next to their inputs, and a single output file, have no folder of their own, so two
    processes may write there; each file is then written whole, by both.

    Args:
        naming: Says where outputs are.
        jobs: The jobs from `plan`.

    Raises:
        OutputError: Another process holds the folder, or it cannot be written.
    """
    folders = {job.output.parent for job in jobs}
    with ExitStack() as stack:
        if naming.output is not None and not naming.one_file:
            stack.enter_context(locked(naming.output))
            folders.add(naming.output)
        for folder in folders:
            sweep(folder, inside=False)
        yield
