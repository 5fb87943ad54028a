"""
End with the parent: a killed `cluster up` or supervisor leaves nothing behind.

`python -m bazaar.cluster.tie PARENT_PID PROGRAM [ARGUMENT...]` ties itself, then becomes the
program.
The tie is the kernel's (PR_SET_PDEATHSIG) and outlives `exec`; other systems than Linux have none.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PARENT_VARIABLE = "BAZAAR_PARENT_PID"
"""Tells a tied program's children whose children they should still be."""
_PR_SET_PDEATHSIG = 1


class ParentGone(Exception):  # noqa: N818 - it is a fact about the world
    """The parent ended before the child could be tied to it."""


def tie_to_parent(parent_pid: int, number: signal.Signals) -> None:
    """
    Have a signal sent to this process when its parent ends.

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


def main(arguments: Sequence[str]) -> int:
    """
    Tie this process to its parent and become the program; return 2 when that is impossible.

    The signal is SIGTERM, so that the program can stop what it started itself.
    """
    parent_pid, *program = arguments
    try:
        tie_to_parent(int(parent_pid), signal.SIGTERM)
        os.environ[PARENT_VARIABLE] = str(os.getpid())
        os.execvp(program[0], program)  # noqa: S606 - no shell is the point
    except (OSError, ParentGone) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
