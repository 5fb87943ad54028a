"""What tests of a replica do with its followers, and see in its database."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from bazaar.core.types import ReplicaId
from order_app.models import LogEntry
from order_app.replica import ReplicaShell
from order_app.replicator import Replicator
from tests.support.waits import WAIT_S, in_thread


def numbers() -> list[int]:
    """Return the order numbers in the database."""
    return list(LogEntry.objects.order_by("order_no").values_list("order_no", flat=True))


def in_sync(shell: ReplicaShell) -> Sequence[int]:
    assert shell.machine.outbox is not None
    return shell.machine.outbox.in_sync()


def join(shell: ReplicaShell, *followers: ReplicaId) -> None:
    """Bring followers in sync: one heartbeat each."""
    for follower in followers:
        Replicator(shell, follower).round()


@contextmanager
def replicating(shell: ReplicaShell, *followers: ReplicaId) -> Iterator[None]:
    """Let replicators run meanwhile, as their threads do."""
    stop = threading.Event()

    def repeat(follower: ReplicaId) -> None:
        replicator = Replicator(shell, follower)
        while not stop.is_set():
            replicator.round()

    futures = [in_thread(partial(repeat, follower)) for follower in followers]
    try:
        yield
    finally:
        stop.set()
        assert all(future.result(WAIT_S) is None for future in futures)
