"""The main process of a server, whose worker this one may be."""

import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress

from bazaar.protocol.process_end import EndSignal

END_AFTER_S = 0.1
"""From the request to end until the signal: for the answer to be sent."""
main_pid: list[int] = []
"""The main process, with which this one ends; empty: this is it."""
_NUMBERS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}


def is_managed() -> bool:
    """Return whether this is a worker that another process started."""
    return multiprocessing.parent_process() is not None or "gunicorn.arbiter" in sys.modules


def end_soon(how: EndSignal) -> None:
    """End the main process, and with KILL this one, once the answer is sent."""
    pids = [main_pid[0] if main_pid else os.getpid()]
    if how == "KILL":
        pids.append(os.getpid())

    def send() -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, _NUMBERS[how])

    timer = threading.Timer(END_AFTER_S, send)
    timer.daemon = True
    timer.start()
