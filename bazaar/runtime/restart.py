"""
A process that begins again as it was started.

Only a new process is sure to have nothing open of a database that was moved aside. The server that
manages this worker starts it again (`bazaar.web.granian_main`; gunicorn does by itself).
"""

import os
from typing import NoReturn

STATUS = os.EX_TEMPFAIL
"""The exit status of a worker that wants to be started again."""


def restart() -> NoReturn:
    """End this worker at once, and close no connection in an orderly way."""
    os._exit(STATUS)
