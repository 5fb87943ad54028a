"""The only reader of real time; everything else is handed a time or one of these."""

import time

monotonic_s = time.monotonic
"""Return seconds on a clock that never goes back; for waits, leases, lags and durations."""


def wall_s() -> float:
    """Return seconds since 1970; for signatures and for people."""
    return time.time()


def wait(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)
