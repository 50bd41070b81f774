"""A question to the terminal and its answer, without waiting for terminals that do not answer."""

import os
import select
import sys
import time
from contextlib import suppress

TIMEOUT_S = 0.3


def query(question: str, last: str) -> str:
    """Send a query to the controlling terminal and return what it answers.

    Args:
        question: The control sequence to send.
        last: The character that ends the answer.

    Returns:
        The answer; "" if there is no terminal, or none that answers within `TIMEOUT_S`.
    """
    if sys.platform == "win32":
        return ""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        return ask(terminal, question, last)
    finally:
        os.close(terminal)


def ask(terminal: int, question: str, last: str, timeout_s: float = TIMEOUT_S) -> str:
    """Send a query to an open terminal, whose settings are restored afterwards.

    Args:
        terminal: File descriptor of a terminal, open for reading and writing.
        question: The control sequence to send.
        last: The character that ends the answer.
        timeout_s: How long to wait for the whole answer.

    Returns:
        The answer; "" if the terminal does not answer in time, or the process runs in its
        background and may not change its settings.
    """
    import termios
    import tty

    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():  # a background process would be stopped
            return ""
        saved = termios.tcgetattr(terminal)
        tty.setcbreak(terminal, termios.TCSANOW)
    except (OSError, termios.error):
        return ""
    try:
        os.write(terminal, question.encode())
        return _read_until(terminal, last, time.monotonic() + timeout_s)
    finally:
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, saved)


def _read_until(terminal: int, last: str, deadline: float) -> str:
    answer = b""
    while not answer.endswith(last.encode()):
        remaining = max(deadline - time.monotonic(), 0)
        if not select.select([terminal], [], [], remaining)[0]:
            return ""
        answer += os.read(terminal, 1)
    return answer.decode(errors="replace")
