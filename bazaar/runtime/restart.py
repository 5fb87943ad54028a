"""
A process that begins again as it was started.

Only a new process is sure to have nothing open of a database that was moved aside. gunicorn starts
its worker again; a process that nobody manages becomes a new one itself: what was started sets its
command line (`bazaar.cluster.launch`, `bazaar.web.lone_process`).
"""

import os
from typing import NoReturn

STATUS = os.EX_TEMPFAIL
"""The exit status of a worker that wants to be started again."""
command_line: list[str] = []
"""What this process begins again with, if nobody manages it."""


def restart() -> NoReturn:
    """End this worker at once, and close no connection in an orderly way."""
    if command_line:
        os.execv(command_line[0], command_line)  # noqa: S606 - no shell is the point
    os._exit(STATUS)
