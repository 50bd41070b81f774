"""Advisory locks on open files. The operating system frees a lock when its process ends."""

import sys
from typing import BinaryIO


def try_lock(file: BinaryIO) -> bool:
    """Take the lock of an open file until it is closed; return False if another process has it.

    A process that opened the file twice counts as another one.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
