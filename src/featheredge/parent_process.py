"""Worker processes that end when their parent process ends."""

import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """Make this worker process end when its parent ends; call it first in a worker.

    A parent that is killed cannot stop its workers, which would wait for work forever. Ctrl-C
    reaches all processes at once; workers ignore it and the parent handles it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_and_exit, name="end-with-parent", daemon=True).start()


def _wait_and_exit() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # sys.exit would end only this thread
