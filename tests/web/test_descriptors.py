"""A thread that ends gives back what it opened (docs/LIMITS.md)."""

import threading
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from django.db import connection

from tests.support.callers import GET, Caller, Connect, Environ, Listen, Start, saying
from tests.support.waits import WAIT_S, start_together, wait_until

THREADS = 20
IDLE_S = 0.2
OK = saying("200 OK", [], b"hi")


def count_open() -> Counter[str]:
    """Return how often this process has each file of the database open, by its ending."""
    path, found = str(connection.settings_dict["NAME"]), Counter[str]()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:  # closed meanwhile
            continue
        if target.startswith(path):
            found[target.removeprefix(path)] += 1
    return found


@pytest.mark.django_db(transaction=True)
def test_the_files_of_threads_that_end_are_closed_or_used_again(
    listen: Listen, connect: Connect
) -> None:
    """
    Each thread has a connection to the database of its own: two descriptors.

    SQLite closes the log's at once. It keeps the file's own while any connection of the process is
    open, because closing one would end the locks of all, and gives it to the next that opens it.
    """
    crowd = threading.Barrier(THREADS)

    def answer(environ: Environ, start_response: Start) -> Iterable[bytes]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM django_migrations")
        crowd.wait(WAIT_S)  # so each request has a thread
        return OK(environ, start_response)

    def come(callers: list[Caller]) -> Counter[str]:
        for future in start_together([partial(caller.call, GET) for caller in callers]):
            assert future.result(WAIT_S).status == 200
        return count_open()

    connection.ensure_connection()
    before = count_open()
    server = listen(answer, thread_idle_s=IDLE_S)
    callers = [connect(server) for _ in range(THREADS)]
    assert come(callers)["-wal"] >= THREADS
    wait_until(lambda: count_open()["-wal"] == before["-wal"])
    assert count_open()[""] <= before[""] + THREADS
    for _ in range(3):
        assert come(callers)[""] <= before[""] + THREADS
        wait_until(lambda: count_open()["-wal"] == before["-wal"])
