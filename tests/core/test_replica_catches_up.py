"""How a replica gets what it missed, and when it serves: I8 (docs/DESIGN.md 4.2, 4.5)."""

from dataclasses import replace

import pytest

from bazaar.core.failures import (
    Corrupt,
    DamagedPage,
    GapFound,
    NotServing,
    UnknownOrder,
    Unreachable,
)
from bazaar.core.flow import ReadLedger, ReadPeerLog, ShipEntries
from bazaar.core.ledger import Page
from bazaar.core.replica import Replica, ReplicaState
from bazaar.core.types import Digest, Order, OrderNo, Position
from tests.core.history import make_order, make_orders, make_trade
from tests.core.leadership import ME, PEERS, linked, make_append, make_leader, make_replica, take
from tests.core.memory_log import MemoryLog
from tests.core.script import Script

ORDERS = make_orders(6)
LEDGER = MemoryLog(ORDERS)


def make_starting(orders: tuple[Order, ...] = ()) -> Replica:
    """Return a replica that has not started yet."""
    log = MemoryLog(orders)
    return Replica(ME, PEERS, log, log.known, log.head)


def ask_ledger(after: int) -> ReadLedger:
    """Return the question for what the ledger has after an order."""
    return ReadLedger(Position(after))


def ask_peer(peer: int, after: int) -> ReadPeerLog:
    """Return the question for what a peer has after an order."""
    return ReadPeerLog(PEERS[peer], Position(after))


def test_a_replica_serves_only_once_it_has_caught_up() -> None:
    """docs/DESIGN.md 4.2."""
    replica = make_starting(ORDERS[:4])
    start = Script(replica.start())
    assert start.effect == ask_ledger(4)
    assert not replica.is_serving
    assert isinstance(Script(replica.look_up(OrderNo(1))).failure, NotServing)
    start.answer(LEDGER.page(4))
    assert replica.state is ReplicaState.FOLLOWING
    assert replica.last == 6


def test_a_long_way_is_taken_in_pages_from_the_peers_first() -> None:
    """docs/DESIGN.md 4.2: the catalog is spared, and has the last word."""
    replica = make_starting()
    start = Script(replica.start())
    assert start.answer(LEDGER.page(0, 2)).effect == ask_peer(0, 2)
    assert start.answer(MemoryLog(ORDERS[:5]).page(2, 2)).effect == ask_peer(0, 4)
    assert start.answer(MemoryLog(ORDERS[:5]).page(4, 2)).effect == ask_peer(1, 5)
    assert start.answer(NotServing()).effect == ask_ledger(5)
    assert start.answer(LEDGER.page(5, 2)).is_over
    assert replica.last == 6


def test_a_wiped_replica_rebuilds_from_the_ledger_alone() -> None:
    """Peers may all be gone."""
    replica = make_starting()
    start = Script(replica.start())
    start.answer(LEDGER.page(0, 2))
    for peer in PEERS:
        assert start.effect == ReadPeerLog(peer, Position(2))
        start.answer(Unreachable())
    start.answer(LEDGER.page(2, 2)).answer(LEDGER.page(4, 2))
    assert start.is_over
    assert isinstance(replica.log, MemoryLog)
    assert replica.log.orders == list(ORDERS)


def test_without_the_catalog_known_orders_are_served() -> None:
    """docs/DESIGN.md 5: what the peers have is taken all the same."""
    replica = make_starting(ORDERS[:2])
    start = Script(replica.start()).answer(Unreachable())
    assert start.effect == ask_peer(0, 2)
    assert start.answer(LEDGER.page(2)).effect == ask_peer(1, 6)
    assert start.answer(GapFound(Position(3))).is_over
    assert start.failure is None
    assert Script(replica.look_up(OrderNo(6))).result == ORDERS[5]


def test_an_answer_damaged_on_its_way_does_not_keep_a_replica_out() -> None:
    """The log itself is sound."""
    replica = make_starting(ORDERS[:2])
    damaged = replace(LEDGER.page(2), digest=Digest("f" * 64))
    start = Script(replica.start()).answer(damaged)
    assert start.failure is None
    assert replica.is_serving
    assert replica.last == 2


def test_a_log_that_is_no_prefix_of_the_ledger_is_corrupt() -> None:
    """I8: it refuses to serve and says so."""
    mine = (make_order(1), make_order(2, make_trade(77)))
    replica = make_starting(mine)
    start = Script(replica.start()).answer(LEDGER.page(2))
    assert isinstance(start.failure, Corrupt)
    assert replica.state is ReplicaState.CORRUPT


def test_a_log_longer_than_the_ledger_waits_for_the_ledger() -> None:
    """I1, I3: the ledger lost what was acknowledged, and takes it from this log."""
    replica = make_starting(ORDERS)
    start = Script(replica.start()).answer(GapFound(Position(4)))
    assert isinstance(start.failure, NotServing)
    assert replica.state is ReplicaState.AHEAD
    assert not replica.is_serving
    with pytest.raises(NotServing):
        replica.append(make_append(ORDERS, 6, 1, 2))
    again = Script(replica.catch_up()).answer(LEDGER.page(6))
    assert again.failure is None
    assert replica.is_serving


def test_a_peer_that_differs_is_left_alone() -> None:
    """Its orders are not taken, and it does not make this log corrupt."""
    replica = make_replica(ORDERS[:2])
    theirs = MemoryLog([make_order(1), make_order(2, make_trade(77)), make_order(3)])
    catch_up = Script(replica.catch_up()).answer(Unreachable())
    assert catch_up.answer(theirs.page(2)).effect == ask_peer(1, 2)
    assert isinstance(catch_up.answer(LEDGER.page(2)).failure, Unreachable)
    assert replica.last == 6


def test_a_peer_with_an_empty_page_is_asked_once() -> None:
    """I10: a peer that says there is more and sends nothing must not be asked for ever."""
    replica = make_replica(ORDERS[:2])
    empty = replace(LEDGER.page(2, 0), last=Position(6))
    catch_up = Script(replica.catch_up()).answer(Unreachable())
    assert catch_up.answer(empty).effect == ask_peer(1, 2)


def test_orders_that_came_meanwhile_are_not_stored_twice() -> None:
    """I1: an append overtakes the ledger's answer."""
    replica = make_replica()
    catch_up = Script(replica.catch_up())
    take(replica, make_append(ORDERS, 0, 1, PEERS[0]))
    assert catch_up.answer(LEDGER.page(0)).is_over
    assert isinstance(replica.log, MemoryLog)
    assert replica.log.orders == list(ORDERS)


def test_a_known_order_is_answered_without_asking_anyone() -> None:
    """docs/DESIGN.md 4.5: orders never change."""
    assert Script(make_replica(ORDERS).look_up(OrderNo(3))).result == ORDERS[2]


def test_the_ledger_is_asked_before_an_order_is_not_found() -> None:
    """docs/DESIGN.md 4.5."""
    replica = make_replica(ORDERS[:4])
    assert Script(replica.look_up(OrderNo(6))).answer(LEDGER.page(4)).result == ORDERS[5]
    assert isinstance(
        Script(replica.look_up(OrderNo(7))).answer(LEDGER.page(6)).failure, UnknownOrder
    )


def test_without_the_ledger_nothing_is_called_not_found() -> None:
    """I9: the order may exist, so the failure is indefinite."""
    look_up = Script(make_replica(ORDERS).look_up(OrderNo(7))).answer(Unreachable())
    for _ in PEERS:
        look_up.answer(Unreachable())
    assert isinstance(look_up.failure, Unreachable)
    assert not look_up.failure.is_definite


def test_a_leader_ships_what_it_catches_up_with() -> None:
    """I3: the outbox stays as long as the log, whoever the orders come from."""
    for answers in ((LEDGER.page(4),), (Unreachable(), LEDGER.page(4))):
        replica = make_leader(ORDERS[:4])
        look_up = Script(replica.look_up(OrderNo(6)))
        for answer in answers:
            look_up.answer(answer)
        assert look_up.effect == ShipEntries(linked(ORDERS, 4))
        assert replica.last == 4


def test_a_leader_ships_nothing_from_a_damaged_page() -> None:
    """I1: followers would store what the ledger does not have."""
    for damaged in (_change_an_order(LEDGER.page(4)), replace(LEDGER.page(4), entries=ORDERS[5:])):
        replica = make_leader(ORDERS[:4])
        look_up = Script(replica.look_up(OrderNo(6))).answer(damaged)
        assert isinstance(look_up.failure, DamagedPage)
        assert replica.outbox is not None
        assert replica.outbox.last == 4


def _change_an_order(page: Page) -> Page:
    first, *others = page.entries
    assert isinstance(first, Order)
    return replace(page, entries=(replace(first, quantity=first.quantity + 1), *others))
