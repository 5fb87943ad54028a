"""What a load process says arrives whole."""

import fcntl
import os
import struct
import subprocess
import sys
import termios

from bazaar.clock import wait_until
from bazaar.settings.env import ROOT

BYTES = 1_000_000
"""Many times what a pipe holds."""
INTERRUPTED_WRITE = f"""
import signal
from bazaar.loadtest.worker import open_output
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
with open_output() as output:
    output.write(bytes({BYTES}))
signal.setitimer(signal.ITIMER_REAL, 0)
"""
TIMEOUT_S = 30.0


def _count_waiting(fd: int) -> int:
    """Return how many bytes are in a pipe."""
    answer = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    return int(struct.unpack("i", answer)[0])


def test_a_write_is_whole_when_signals_interrupt_it_and_python_keeps_no_buffer() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_WRITE],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdout is not None
    fd = child.stdout.fileno()
    assert wait_until(lambda: _count_waiting(fd) > 0, TIMEOUT_S), "it writes"
    written, _ = child.communicate(timeout=TIMEOUT_S)
    assert (child.returncode, len(written)) == (0, BYTES)
