"""Stop a whole cluster, and leave nothing behind."""

import contextlib
import os
import signal
from collections.abc import Iterable

import psutil

from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterDown, ClusterStopping
from bazaar.cluster.locks import STOP_TIMEOUT_S
from bazaar.cluster.supervisor import Supervisor

FORCE_TIMEOUT_S = 3.0
WAKE_TIMEOUT_S = 1.0
"""For a resumed process to sleep again; a busy one has run by then, too."""
_BEFORE_SLEEP = psutil.STATUS_STOPPED, psutil.STATUS_RUNNING


def stop_cluster(data: DataDir, supervisor_pid: int | None = None) -> list[str]:
    """
    Stop everything of a data folder and wait; return the names of what was up.

    supervisor_pid: when it is known; otherwise it is read from the folder.
    """
    supervisor = Supervisor(data)
    pid = supervisor_pid or supervisor.find_pid()
    pids: dict[str, int] = {}
    try:
        pids = {info.name: info.pid for info in supervisor.processes().values() if info.pid}
        for group in pids.values():
            resume(group)
        supervisor.stop_all()
        supervisor.shut_down()
    except ClusterStopping:  # another command stops it, too
        pass
    except ClusterDown:  # its socket is gone, say; or it is down itself
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGTERM)
    # Each call makes the supervisor check its processes, which it otherwise does once a second.
    if not wait_until(lambda: not (supervisor.is_alive() or is_alive(pid)), STOP_TIMEOUT_S) and pid:
        for process in tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    end_all(pids.values())
    return list(pids)


def end_all(pids: Iterable[int]) -> None:
    """Wait for process groups that were asked to end; kill those that do not."""
    groups = list(pids)
    if not wait_until(lambda: not any(map(has_group, groups)), FORCE_TIMEOUT_S):
        for pid in groups:
            send(pid, signal.SIGKILL)


def send(group: int, number: signal.Signals) -> bool:
    """Send a signal to a whole process group; return whether there is one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def resume(group: int) -> None:
    """
    Resume a process group, if paused; wait until it can handle a SIGTERM.

    Until the main thread has run again, the system delivers a signal to another thread; Python's
    main thread then sleeps on and never handles it.
    """
    paused = [member for member in tree(group) if is_in(member, psutil.STATUS_STOPPED)]
    send(group, signal.SIGCONT)
    wait_until(lambda: not any(is_in(member, *_BEFORE_SLEEP) for member in paused), WAKE_TIMEOUT_S)


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started; an empty list when it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def is_in(process: psutil.Process, *states: str) -> bool:
    """Return whether a process lives and is in one of some states."""
    try:
        return process.status() in states
    except psutil.NoSuchProcess:
        return False


def has_group(group: int) -> bool:
    """Return whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int | None) -> bool:
    """Return whether a process lives; one that only waits to be reaped does not."""
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
