"""Workers that share a port: whoever has fewest connections accepts first."""

from bazaar.web.port_share import ABSENT, ALLOWED_S, PAUSE_S, PortShare
from bazaar.web.server import HttpServer
from tests.support.callers import Connect, Listen, saying
from tests.support.waits import wait_until

OK = saying("200 OK", [], b"hi")
CROWD = 12


def test_whoever_has_fewest_accepts_at_once() -> None:
    counts = [ABSENT, ABSENT, ABSENT]
    first, second = PortShare(counts, 0), PortShare(counts, 1)
    assert counts == [0, 0, ABSENT], "the third does not serve yet, so it is not waited for"
    assert all(first.allows(0, 1.0) for _ in range(100))
    assert not first.allows(1, 1.0)
    assert second.allows(0, 1.0)
    assert second.allows(1, 1.0)
    assert first.allows(1, 1.0)


def test_what_a_hung_worker_leaves_is_accepted_a_few_at_a_time() -> None:
    counts = [0, 0]
    busy = PortShare(counts, 1)
    assert not busy.allows(16, 1.0)
    assert not busy.allows(16, 1.0)
    later_s = 1.0 + PAUSE_S
    assert [busy.allows(16, later_s) for _ in range(4)] == [True, True, True, False]
    assert busy.allows(19, later_s + PAUSE_S)


def test_what_was_allowed_for_one_crowd_is_not_for_the_next() -> None:
    counts = [0, 0]
    busy, idle = PortShare(counts, 0), PortShare(counts, 1)
    assert not busy.allows(1, 1.0)
    assert not busy.allows(1, 1.0 + PAUSE_S + 2 * ALLOWED_S), "it is another crowd by then"
    assert idle.allows(1, 9.0)
    assert busy.allows(1, 9.0)
    assert not busy.allows(2, 9.0)


def count(server: HttpServer) -> int:
    return len(server._connections)


def share_port(prepare: Listen, counts: list[int]) -> list[HttpServer]:
    workers = [prepare(OK) for _ in counts]
    for index, worker in enumerate(workers):
        worker.share = PortShare(counts, index)
        if index:
            worker.listeners[0].close()
            worker.listeners = [workers[0].listeners[0].dup()]
        worker.listeners[0].settimeout(0)
        worker._accept_again()
    return workers


def test_a_crowd_falls_to_all_workers(prepare: Listen, connect: Connect) -> None:
    """The first that is woken would take all of it."""
    workers = share_port(prepare, [0, 0])
    crowd = [connect(workers[0]) for _ in range(CROWD)]
    while sum(map(count, workers)) < len(crowd):
        for worker in workers:
            worker._turn()
    assert max(map(count, workers)) - min(map(count, workers)) <= 2


def test_nobody_waits_for_a_worker_that_hangs(prepare: Listen, connect: Connect) -> None:
    working, hung = share_port(prepare, [0, 0])
    crowd = [connect(working) for _ in range(CROWD)]

    def is_served() -> bool:
        working._turn()
        return count(working) == len(crowd)

    wait_until(is_served)
    assert not count(hung)


def test_a_worker_that_drains_accepts_no_more(prepare: Listen, connect: Connect) -> None:
    old, new = share_port(prepare, [0, 0])
    crowd = [connect(old) for _ in range(CROWD)]
    old._turn()  # it leaves the rest, and would come back for it
    old.drain()
    old._accept_no_more()
    taken = count(old)
    old._turn()
    while taken + count(new) < len(crowd):
        new._turn()
    assert count(old) == taken
