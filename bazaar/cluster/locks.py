"""
The lock of a data folder, which `cluster up` and its supervisor share.

It is a kernel lock (flock) on an open file that both share, so it ends with the last of
them, however they end.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from typing import IO

from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.supervisor import Supervisor
from bazaar.settings.typed import manage

STOP_TIMEOUT_S = 10.0
"""For a whole cluster to end; before that, the supervisor kills what does not end by itself."""


@contextlib.contextmanager
def hold(data: DataDir) -> Iterator[IO[bytes]]:
    """
    Lock the folder; wait for a cluster that is just being stopped.

    Raises ClusterError: the cluster is up, or another command is at work.
    """
    supervisor = Supervisor(data)
    with data.lock_path.open("ab") as file:
        is_taken = _take(file)
        if not is_taken and supervisor.is_ending():
            is_taken = wait_until(lambda: _take(file), STOP_TIMEOUT_S)
        if pid := supervisor.find_pid():  # even with the lock: its file may be a new one
            down = manage("cluster", "down", data=data.root)
            raise ClusterError(
                f"The cluster of {data.root} is already up (supervisor pid {pid}); `{down}` stops "
                "it."
            )
        if not is_taken:
            raise ClusterError(f"Another `cluster` command is at work in {data.root}.")
        yield file


def is_held(data: DataDir) -> bool:
    """Return whether a cluster or a command holds the folder."""
    if not data.lock_path.exists():
        return False
    with data.lock_path.open("rb") as file:  # on a read-only disk as well
        return not _take(file)


def _take(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
