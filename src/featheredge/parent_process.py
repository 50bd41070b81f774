"""Worker processes that do not outlive the process that started them."""

import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """Make this worker end when its parent does, however that ends; call it first in a worker.

    A killed parent cannot tell its workers, which would wait for work forever. Ctrl-C goes to all
    of them at once and is left to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_and_exit, name="end-with-parent", daemon=True).start()


def _wait_and_exit() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # sys.exit would end this thread alone
