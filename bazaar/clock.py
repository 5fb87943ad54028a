"""The only reader of real time; everything else is handed a time or one of these."""

import time
from collections.abc import Callable

POLL_S = 0.05
Pause = Callable[[float], None]
"""Lets some seconds pass; may raise an exception that ends the wait."""

monotonic_s = time.monotonic
"""Return seconds on a clock that never goes back; for waits, leases, lags and durations."""
thread_s = time.thread_time
"""Return the seconds of processor time that this thread has used."""


def wall_s() -> float:
    """Return seconds since 1970; for signatures and for people."""
    return time.time()


def wait(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def wait_until(condition: Callable[[], bool], timeout_s: float, pause: Pause = wait) -> bool:
    """Poll until the condition holds; return whether it did in time."""
    until_s = monotonic_s() + timeout_s
    while not condition():
        if monotonic_s() >= until_s:
            return False
        pause(POLL_S)
    return True
