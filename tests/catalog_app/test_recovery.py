"""A catalog that starts takes what its ledger lacks from the replicas: I3, I6, I11."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from threading import Lock

import pytest

import catalog_app.wiring
from bazaar.core.digest import chain
from bazaar.core.failures import NotServing, Unreachable
from bazaar.core.ledger import describe, reprice
from bazaar.core.replay import StockReplay
from bazaar.core.types import START, Entry, Position, ReplicaId, Stock, TradeType
from bazaar.protocol.clients import ReplicaClient
from bazaar.protocol.leadership_messages import HeadBody
from bazaar.runtime.transactions import write_transaction
from bazaar.settings.env import Limits
from catalog_app import head_row, models, selectors, store
from catalog_app.recovery import LedgerRecovery, Timing
from tests.catalog_app.fakes import NotingLock
from tests.core.memory_log import MemoryLog
from tests.order_app.fakes import NoNetwork
from tests.support.histories import STOCK, make_order
from tests.support.listeners import Listener

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = Stock("Ünï & Co.", Decimal("0.1234"), 5, 5, 10, 0, STOCK.version)
DEARER = reprice(STOCK, Decimal("13.00"))
HISTORY: tuple[Entry, ...] = (
    describe(STOCK),
    describe(OTHER),
    make_order(1, quantity=10),
    describe(reprice(DEARER, Decimal("14.50"))),  # version 3, after the order's 2
    make_order(2, quantity=4, trade_type=TradeType.SELL),
    make_order(3, quantity=1),
)
LIMITS = Limits(recovery_wait_s=1.0, lease_s=2.0)


class FakeReplica(ReplicaClient):
    """A replica with a log in memory, or one that does not answer."""

    def __init__(
        self, entries: tuple[Entry, ...], term: int = 0, leader: int | None = None
    ) -> None:
        super().__init__(NoNetwork(), NoNetwork(), 1)
        self.memory, self.term, self.leader = MemoryLog(entries), term, leader
        self.is_away = self.is_damaged = False
        self.asked = 0

    def head(self, at: Position, timeout_s: float) -> HeadBody:
        self.asked += 1
        if self.is_away:
            raise Unreachable
        head = self.memory.head
        return HeadBody(
            position=head.position,
            order_no=head.order_no,
            digest=head.digest,
            digest_at=self.memory.digest_at(at) if at <= head.position else None,
            term=self.term,
            leader=self.leader,
            is_damaged=self.is_damaged,
        )

    def log(self, after: Position, limit: int) -> object:  # type: ignore[override]
        if self.is_damaged:
            raise NotServing
        return self.memory.page(after, min(limit, 2))


class Clock:
    """A clock that only waiting moves; something may happen at a time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.events: list[tuple[float, Callable[[], None]]] = []

    def wait(self, length_s: float) -> None:
        self.now_s += length_s
        assert self.now_s < 60, "it waits for ever"
        while self.events and self.events[0][0] <= self.now_s:
            self.events.pop(0)[1]()


def fill(entries: tuple[Entry, ...], term: int = 0, in_sync: str = "") -> None:
    """Make the catalog's database one with these entries."""
    models.Leadership.objects.update_or_create(
        pk=1, defaults={"term": term, "leader": None, "in_sync": in_sync}
    )
    log, replay = MemoryLog(entries), StockReplay()
    with write_transaction() as database:
        row, _ = head_row.read(database)
        linked = tuple(zip(log.entries, log.heads[1:], strict=True))
        store.take(database, linked, replay, term)  # type: ignore[arg-type]
        head_row.move(database, row, row.moved(log.heads[-1]))


def recover(
    *replicas: FakeReplica, clock: Clock | None = None, is_on_server: bool = False, **limits: float
) -> LedgerRecovery:
    """Run a recovery to its end and return it."""
    clock = clock or Clock()
    recovery = prepare(*replicas, clock=clock, is_on_server=is_on_server, **limits)
    recovery.begin()
    recovery.run()
    return recovery


def prepare(
    *replicas: FakeReplica, clock: Clock, is_on_server: bool = False, **limits: float
) -> LedgerRecovery:
    clients = {ReplicaId(at): one for at, one in enumerate(replicas, start=1)}
    timing = Timing(lambda: clock.now_s, clock.wait)
    set_limits = Limits(recovery_wait_s=1.0, lease_s=2.0, **limits)  # type: ignore[arg-type]
    return LedgerRecovery(clients, set_limits, timing, Lock(), is_on_server=is_on_server)


def check_complete() -> None:
    """Ledger and stocks are those of the whole history."""
    assert selectors.LEDGER.head == chain(START, HISTORY)
    assert selectors.LEDGER.find_fault() == ""
    replay = StockReplay()
    replay.take_all(HISTORY)
    assert {one.name: one for one in selectors.list_all_stocks()} == replay.stocks


@pytest.mark.parametrize("known", range(len(HISTORY) + 1))
def test_a_ledger_behind_takes_what_it_lacks(known: int) -> None:
    """I11: from nothing at all, too; the terms go on above the highest known."""
    fill(HISTORY[:known], term=2)
    recover(FakeReplica(HISTORY, 5, 3), FakeReplica(HISTORY[:4], 5, 3), FakeReplica((), 4, 1))
    check_complete()
    found = selectors.get_leadership()
    assert (found.term, found.leader) == (5, 3)
    terms = list(models.Entry.objects.order_by("order_no").values_list("term", flat=True))
    assert terms == sorted(terms)


def test_it_writes_under_the_lock_of_whoever_writes() -> None:
    """A takeover may end leases meanwhile: two decisions of one process would refuse each other."""
    fill(HISTORY[:2], term=2)
    recovery, lock = prepare(FakeReplica(HISTORY, 5), clock=Clock()), NotingLock()
    recovery._writer = lock
    recovery.begin()
    recovery.run()
    assert len(lock.taken) == 2, "for the entries, and for the term"


def test_a_complete_ledger_decides_at_once() -> None:
    fill(HISTORY, term=5, in_sync="1,2")
    clock = Clock()
    recover(FakeReplica(HISTORY, 5), FakeReplica(HISTORY[:2], 4), clock=clock)
    assert clock.now_s == 0.0
    assert selectors.get_leadership().term == 5


def test_a_ledger_that_was_behind_waits_for_leases_that_it_does_not_know() -> None:
    """I7: holders of the catalog that was lost may still serve from memory."""
    fill(HISTORY[:3])
    clock = Clock()
    recover(FakeReplica(HISTORY), clock=clock)
    assert clock.now_s == LIMITS.lease_s


def test_leases_are_waited_for_from_the_beginning_of_a_recovery() -> None:
    """I7: what takes longer than a lease by itself has outlived them all."""
    fill(HISTORY[:3], in_sync="1")
    silent, clock = FakeReplica(HISTORY), Clock()
    silent.is_away = True
    clock.events.append((5.0, lambda: setattr(silent, "is_away", False)))
    recover(silent, clock=clock)
    assert clock.now_s < 5.0 + LIMITS.lease_s / 2
    check_complete()


def test_an_older_term_is_raised_even_when_no_order_is_missing() -> None:
    """I6: otherwise no trade would ever work again."""
    fill(HISTORY, term=1)
    recover(FakeReplica(HISTORY, 3, 2), FakeReplica(HISTORY, 3, 2))
    found = selectors.get_leadership()
    assert (found.term, found.leader) == (3, 2)


def test_another_history_keeps_the_catalog_out_and_is_named() -> None:
    """I1: nobody guesses which of the two is right."""
    fill(HISTORY)
    changed = (*HISTORY[:4], make_order(2, quantity=5), make_order(3))
    wrong, clock = FakeReplica(changed), Clock()
    recovery = prepare(FakeReplica(HISTORY), wrong, clock=clock)
    clock.events.append((5.0, lambda: setattr(wrong, "memory", MemoryLog(HISTORY[:2]))))
    recovery.begin()
    with pytest.raises(Unreachable):
        recovery.check()
    clock.events.append((3.0, lambda: reasons.append(recovery.reason)))
    clock.events.sort(key=lambda one: one[0])
    reasons: list[str] = []
    recovery.run()
    (reason,) = reasons
    assert "Replica 2 has another history than the ledger, from entry 5 on (order 2," in reason
    assert "cluster rebuild 2" in reason
    assert clock.now_s >= 5.0
    recovery.check()


def test_who_was_in_sync_has_to_answer() -> None:
    """I3: it may have the only copy of what was acknowledged."""
    fill(HISTORY[:4], in_sync="1,2")
    away, clock = FakeReplica(HISTORY), Clock()
    away.is_away = True
    reasons: list[str] = []
    recovery = prepare(FakeReplica(HISTORY[:4]), away, FakeReplica(HISTORY[:4]), clock=clock)
    clock.events.append((4.0, lambda: reasons.append(recovery.reason)))
    clock.events.append((6.0, lambda: setattr(away, "is_away", False)))
    recovery.begin()
    recovery.run()
    assert "could not ask replica 2" in reasons[0]
    assert "BAZAAR_MIN_RECOVERY_REPLICAS=1" in reasons[0]
    check_complete()


def test_an_operator_may_go_on_without_a_replica() -> None:
    fill(HISTORY[:4], in_sync="1,2")
    away = FakeReplica(HISTORY)
    away.is_away = True
    recover(FakeReplica(HISTORY[:5]), away, min_recovery_replicas=1)
    assert selectors.LEDGER.head.position == 5


@pytest.mark.parametrize("is_on_server", [False, True])
@pytest.mark.parametrize(("away", "is_majority"), [(1, True), (2, False)])
def test_a_database_on_a_server_needs_a_majority_of_those_in_sync(
    away: int, *, is_majority: bool, is_on_server: bool
) -> None:
    """It keeps what it has acknowledged when a host is lost; a file is lost with its disk."""
    fill(HISTORY[:4], in_sync="1,2,3")
    replicas, clock = [FakeReplica(HISTORY) for _ in range(3)], Clock()
    for replica in replicas[:away]:
        replica.is_away = True
        clock.events.append((5.0, partial(replica.__dict__.update, is_away=False)))
    recover(*replicas, clock=clock, is_on_server=is_on_server)
    assert (clock.now_s < 5.0) is (is_on_server and is_majority)
    check_complete()


def test_all_of_those_in_sync_are_asked_if_somebody_says_so() -> None:
    """The number of replicas is no default."""
    fill(HISTORY[:4], in_sync="1,2,3")
    replicas, clock = [FakeReplica(HISTORY) for _ in range(3)], Clock()
    replicas[0].is_away = True
    clock.events.append((5.0, lambda: setattr(replicas[0], "is_away", False)))
    recover(*replicas, clock=clock, is_on_server=True, min_recovery_replicas=3)
    assert clock.now_s >= 5.0


@pytest.mark.parametrize("is_on_server", [False, True])
def test_who_was_out_of_sync_is_waited_for_a_moment_only(*, is_on_server: bool) -> None:
    fill(HISTORY, in_sync="1")
    away, clock = FakeReplica(HISTORY), Clock()
    away.is_away = True
    recover(FakeReplica(HISTORY), away, clock=clock, is_on_server=is_on_server)
    assert 1.0 <= clock.now_s < 2.0


@pytest.mark.parametrize("is_on_server", [False, True])
def test_an_empty_ledger_needs_all_replicas(*, is_on_server: bool) -> None:
    """It says nothing of who was in sync."""
    fill(())
    away, clock = FakeReplica(HISTORY), Clock()
    away.is_away = True
    clock.events.append((9.0, lambda: setattr(away, "is_away", False)))
    recover(FakeReplica(HISTORY[:3]), away, clock=clock, is_on_server=is_on_server)
    assert clock.now_s >= 9.0
    check_complete()


def test_nothing_is_taken_from_a_damaged_log() -> None:
    fill(HISTORY[:3], in_sync="1")
    damaged = FakeReplica(HISTORY[:5])
    damaged.is_damaged = True
    recover(damaged, FakeReplica(HISTORY[:5]))
    assert selectors.LEDGER.head.position == 5


def test_a_damaged_log_that_was_out_of_sync_is_waited_for_a_moment_only() -> None:
    fill(HISTORY[:3], in_sync="1")
    damaged, clock = FakeReplica(HISTORY), Clock()
    damaged.is_damaged = True
    recover(FakeReplica(HISTORY[:5]), damaged, clock=clock)
    assert selectors.LEDGER.head.position == 5
    assert clock.now_s >= 1.0


@pytest.mark.parametrize("known", [len(HISTORY), 0])
def test_a_damaged_log_keeps_no_catalog_waiting_that_has_or_finds_all_of_it(known: int) -> None:
    """It mends itself once the catalog decides, so each would wait for the other for ever."""
    fill(HISTORY[:known], in_sync="1,2")
    damaged, clock = FakeReplica(HISTORY, 3, 2), Clock()
    damaged.is_damaged = True
    recover(FakeReplica(HISTORY, 3, 2), damaged, clock=clock)
    check_complete()
    assert clock.now_s <= LIMITS.lease_s


def test_a_damaged_log_that_may_be_the_only_copy_is_waited_for() -> None:
    """I3: what it has and others lack may have been acknowledged."""
    fill(HISTORY[:4], in_sync="1,2")
    damaged, clock = FakeReplica(HISTORY), Clock()
    damaged.is_damaged = True
    reasons: list[str] = []
    recovery = prepare(FakeReplica(HISTORY[:5]), damaged, clock=clock)
    clock.events.append((4.0, lambda: reasons.append(recovery.reason)))
    clock.events.append((6.0, lambda: setattr(damaged, "is_damaged", False)))
    recovery.begin()
    recovery.run()
    assert "could not ask replica 2" in reasons[0]
    check_complete()


def test_a_catalog_that_does_not_decide_refuses_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only questions of operators and audits are answered."""
    fill(HISTORY)
    recovery = prepare(clock=Clock())
    recovery.begin()
    monkeypatch.setattr(catalog_app.wiring, "recovery", lambda: recovery)
    for path, urlconf in (
        ("/query?stock_name=MenhirCo", "catalog"),
        ("/last", "catalog"),
        ("/leadership", "catalog_control"),
        ("/ledger?after=0&limit=1", "catalog_control"),
        ("/names?after=0&limit=1", "catalog_control"),
    ):
        reply = Listener(f"bazaar.urls.{urlconf}").call_signed("GET", path)
        assert reply.status == 503, path
        assert b"has not asked the replicas" in reply.body
    for path in (*(f"/{one}?after=0&limit=1" for one in ("rows", "changes", "stocks")), "/status"):
        assert Listener("bazaar.urls.catalog_control").call_signed("GET", path).status == 200
