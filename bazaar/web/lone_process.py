"""
A role that is one process, which serves without anything that manages it.

Catalog and replicas: two processes may never have one database open, so none takes over from
another (docs/adr/0045). `bazaar.cluster.launch` calls it, or `python -m bazaar.web.lone_process`.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from bazaar.runtime import restart
from bazaar.web.bound_port import BACKLOG, bind_port

MODULE = "bazaar.web.lone_process"


def main(arguments: Sequence[str]) -> NoReturn:
    """Serve until a signal ends this process. Raises OSError: the port is taken."""
    parser = argparse.ArgumentParser(prog="lone_process", description="Serve one role.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until it serves
    listener = bind_port(options.host, options.port)
    application = import_module("bazaar.wsgi").application
    listener.listen(BACKLOG)
    import_module("bazaar.web.serving").serve(application, [listener])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # no thread is waited for: all that is to be kept is on disk


if __name__ == "__main__":
    restart.command_line[:] = [sys.executable, "-m", MODULE, *sys.argv[1:]]
    main(sys.argv[1:])
