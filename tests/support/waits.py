"""Waiting in tests: poll with a deadline, threads that end and say what they found."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from django.db import connections

from bazaar.clock import monotonic_s

T = TypeVar("T")

WAIT_S = 10.0
"""How long a test waits for something that takes milliseconds."""
_PAUSE_S = 0.002


def wait_until(is_done: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    """Return as soon as `is_done` says so. Raises AssertionError after the timeout."""
    pause, deadline_s = threading.Event(), monotonic_s() + timeout_s
    while not is_done():
        assert monotonic_s() < deadline_s, "it never happened"
        pause.wait(_PAUSE_S)


def in_thread(work: Callable[[], T]) -> "Future[T]":
    """Run `work` in a thread of its own, with database connections of its own."""
    return start_together([work])[0]


def start_together(works: Sequence[Callable[[], T]]) -> "list[Future[T]]":
    """Run every work in a thread of its own; all of them begin at the same moment."""
    begin = threading.Barrier(len(works))
    futures: list[Future[T]] = [Future() for _ in works]

    def run(work: Callable[[], T], future: "Future[T]") -> None:
        begin.wait(WAIT_S)
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        finally:
            connections.close_all()

    for pair in zip(works, futures, strict=True):
        # A daemon: one that hangs fails its test and does not keep the process.
        threading.Thread(target=run, args=pair, daemon=True).start()
    return futures


def start_in_turn(
    works: Sequence[Callable[[], T]], is_waiting: Callable[[int], bool]
) -> "list[Future[T]]":
    """Run every work in a thread of its own, each as soon as so many before it wait."""
    futures = []
    for number, work in enumerate(works, start=1):
        futures.append(in_thread(work))
        wait_until(partial(is_waiting, number))
    return futures


def run_together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run every work in a thread of its own and return what they return, in their order."""
    return [future.result(WAIT_S) for future in start_together(works)]
