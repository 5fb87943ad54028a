"""
End with the parent: a killed `cluster up` or supervisor leaves nothing behind.

`python -m bazaar.cluster.parent_death PARENT_PID PROGRAM [ARGUMENT...]` has the kernel send it
SIGTERM when the parent ends (PR_SET_PDEATHSIG, which outlives `exec`), then becomes the program.
Other systems than Linux have no such signal.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PARENT_VARIABLE = "BAZAAR_PARENT_PID"
"""Names, for what such a program starts, the parent that it must still have."""
_PR_SET_PDEATHSIG = 1


class ParentGone(Exception):  # noqa: N818 - it is a fact about the world
    """The parent ended before the death signal was requested."""


def request_death_signal(parent_pid: int, number: signal.Signals) -> None:
    """
    Have the kernel send a signal to this process when its parent ends.

    Raises ParentGone: it has ended already, so no signal would ever come.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    if os.getppid() != parent_pid:
        raise ParentGone(f"The parent process {parent_pid} has ended.")


def is_interrupted_make(pid: int) -> bool:
    """
    Return whether a process is a `make` that was sent SIGINT and waits for us.

    A terminal sends Ctrl-C to all of its processes, so make passes this signal on to none. While it
    handles one, it blocks it.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    is_make = facts.get("Name") in ("make", "gmake")
    return is_make and bool(int(facts.get("SigBlk", "0"), 16) >> (signal.SIGINT - 1) & 1)


def wrap_command(command: Sequence[str]) -> list[str]:
    """Return the command line that runs a program until this process ends."""
    return [sys.executable, "-m", "bazaar.cluster.parent_death", str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> int:
    """
    Request the signal and become the program; return 2 when that is impossible.

    The signal is SIGTERM, so that the program can stop what it started itself.
    """
    parent_pid, *program = arguments
    try:
        request_death_signal(int(parent_pid), signal.SIGTERM)
        os.environ[PARENT_VARIABLE] = str(os.getpid())
        os.execvp(program[0], program)  # noqa: S606 - no shell is the point
    except (OSError, ParentGone) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
