"""Wait for the world: bounded, and cut short when the operator wishes to end."""

from collections.abc import Callable

from bazaar import clock

POLL_S = 0.05
Pause = Callable[[float], None]
"""Let some seconds pass; may raise Interrupted."""


def wait_until(condition: Callable[[], bool], timeout_s: float, pause: Pause = clock.wait) -> bool:
    """Wait until the condition holds; tell whether it did in time."""
    until_s = clock.monotonic_s() + timeout_s
    while not condition():
        if clock.monotonic_s() >= until_s:
            return False
        pause(POLL_S)
    return True
