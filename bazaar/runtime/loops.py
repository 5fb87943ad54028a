"""Run flows with real effects, and rounds that repeat in a thread."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from bazaar.core.failures import Failure
from bazaar.core.flow import Effect, Flow
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.waits import REAL, Waits

log = get_log("bazaar.runtime.loops")
T = TypeVar("T")


def run(
    flow: Flow[T],
    perform: Callable[[Effect], Any],
    lock: AbstractContextManager[object],
    failure: Failure | None = None,
) -> T:
    """
    Drive a flow to its end: step under `lock`, perform its effects without it.

    Raises what the flow raises; a Failure of an effect is thrown into the flow first. failure: that
    of the effect for which a flow that has begun waits.
    """
    answer: Any = None
    while True:
        try:
            with lock:
                effect = flow.throw(failure) if failure else flow.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        failure, answer = None, None
        try:
            answer = perform(effect)
        except Failure as caught:
            failure = caught


class Loop:
    """
    A thread that repeats a round until the process ends.

    A round that fails is logged, unless the one before it failed alike, and the next one begins all
    the same.
    """

    def __init__(
        self, name: str, round_: Callable[[], float | None], interval_s: float, waits: Waits = REAL
    ) -> None:
        """interval_s: the pause after a round that returns none, cut short by `poke`."""
        self._round, self._interval_s = round_, interval_s
        self._wake = waits.make_signal()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        self._thread.start()

    def poke(self) -> None:
        """Begin the next round at once."""
        self._wake.set()

    def _repeat(self) -> None:
        reason, failed = "", 0
        while True:
            pause_s: float | None = None
            try:
                pause_s = self._round()
            except Failure as failure:
                failed += 1
                if failure.message != reason:
                    reason = failure.message
                    log.info("round failed", name=self._thread.name, reason=reason)
            except Exception:
                log.exception("round broke", name=self._thread.name)
            else:
                if failed:
                    log.info("round works again", name=self._thread.name, failed=failed)
                reason, failed = "", 0
            self._wake.wait(self._interval_s if pause_s is None else pause_s)
            self._wake.clear()
