"""Processes that are measured, and end when this one ends."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import psutil

from bazaar.clock import wait_until
from bazaar.settings import env

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 5.0


def start(
    command: Sequence[str], environ: Mapping[str, str], is_up: Callable[[], bool]
) -> subprocess.Popen[bytes]:
    """
    Start `python -m COMMAND...` and wait until it is up.

    Raises SystemExit: it did not come up.
    """
    tie = (
        sys.executable,
        "-m",
        "bazaar.cluster.parent_death",
        str(os.getpid()),
        sys.executable,
        "-m",
    )
    process = subprocess.Popen(
        [*tie, *command],
        env={**os.environ, **environ},
        cwd=env.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us
    )
    if not wait_until(lambda: is_up() or process.poll() is not None, START_TIMEOUT_S):
        end(process)
    if process.poll() is not None:
        raise SystemExit(f"{' '.join(command)} did not start.")
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started, and wait."""
    children = _children(process.pid)
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        if child.is_running():
            child.kill()


def memory_mb(pid: int) -> float:
    """Return the resident memory of the largest of some processes, in MB."""
    found = [psutil.Process(pid), *_children(pid)]
    return max(process.memory_info().rss for process in found) / 1e6


def used_by(pid: int) -> dict[int, tuple[float, float]]:
    """Return the processor time of a process and of each it started: user, kernel; s."""
    found = [psutil.Process(pid), *_children(pid)]
    times = {one.pid: one.cpu_times() for one in found}
    return {pid: (spent.user, spent.system) for pid, spent in times.items()}


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
