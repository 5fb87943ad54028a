"""I7 at the catalog: caches forget before the commit, whatever holders, threads and restarts do."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError

import catalog_app.wiring
from bazaar.core import types
from bazaar.core.failures import UnknownHolder, Unreachable
from bazaar.core.ledger import Batch
from bazaar.core.types import VERSION_FIRST, Position
from bazaar.protocol.cache_messages import HolderBody, NamesBody
from bazaar.runtime.engines import current
from catalog_app import selectors, services, store
from catalog_app.lease_table import LeaseTableShell
from catalog_app.models import HolderRegistration
from tests.catalog_app.conftest import LEADER, LEASE_S, TERM
from tests.catalog_app.fakes import FakeHolder, FakeTime
from tests.support.databases import is_in_transaction
from tests.support.histories import STOCK, make_order, make_trade
from tests.support.waits import WAIT_S, in_thread, wait_until

pytestmark = pytest.mark.usefixtures("committed_catalog")

NO_PORT = 1
"""Nobody listens there."""
HOLDER = HolderBody(holder_id=UUID(int=1), host="127.0.0.1", control_port=NO_PORT)
NOBODYS = str(UUID(int=9))
OTHER = HolderBody(holder_id=UUID(int=2), host="127.0.0.1", control_port=30004)


def trade(number: int = 1) -> None:
    batch = Batch(TERM, LEADER, Position(0), (make_trade(number),))
    services.place_batch(batch=batch)


def change_price() -> None:
    services.change_price(stock_name=STOCK.name, price=Decimal(99))


def committed_version() -> int:
    """Return the version that anybody else sees, over a connection of its own."""
    return in_thread(lambda: selectors.get_stock(stock_name=STOCK.name)).result(WAIT_S).version


@pytest.mark.parametrize("change", [trade, change_price])
def test_a_holder_is_told_before_the_change_is_committed(
    lease_table: LeaseTableShell, change: Callable[[], None]
) -> None:
    seen: list[tuple[int, bool]] = []
    holder = FakeHolder(on_notified=lambda: seen.append((committed_version(), is_in_transaction())))
    lease_table.register(NOBODYS, holder)
    change()
    assert holder.notified == [((STOCK.name, 2),)]
    assert seen == [(1, True)]
    assert committed_version() == 2


def test_each_of_many_holders_is_told_before_the_commit(lease_table: LeaseTableShell) -> None:
    seen: list[int] = []
    for number in range(5):
        holder = FakeHolder(on_notified=lambda: seen.append(committed_version()))
        lease_table.register(str(UUID(int=100 + number)), holder)
    trade()
    assert seen == [1] * 5
    assert committed_version() == 2


def test_a_batch_tells_each_changed_stock_once_with_its_last_version(
    lease_table: LeaseTableShell,
) -> None:
    holder = FakeHolder()
    lease_table.register(NOBODYS, holder)
    trades = (make_trade(1), make_trade(2), make_trade(3, stock_name="Ünï & Co."))
    services.place_batch(batch=Batch(TERM, LEADER, Position(0), trades))
    assert holder.notified == [(("MenhirCo", 3), ("Ünï & Co.", 2))]


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_holders_are_told_while_the_catalog_writes_and_waited_for_afterwards(
    lease_table: LeaseTableShell, monkeypatch: pytest.MonkeyPatch, *, is_warm: bool
) -> None:
    """On a server before it writes: nobody waits for its locks meanwhile."""
    steps: list[str] = []
    monkeypatch.setattr(FakeHolder, "is_warm", is_warm)
    write = store.write

    def write_too(*args: Any) -> None:
        steps.append("written")
        write(*args)

    monkeypatch.setattr(store, "write", write_too)
    holder = FakeHolder(
        on_begun=lambda: steps.append("begun"), on_notified=lambda: steps.append("told")
    )
    lease_table.register(NOBODYS, holder)
    trade()
    written_first = ["written", "told"] if current().is_file else ["told", "written"]
    assert steps == (["begun"] if is_warm else []) + written_first


def test_a_change_that_cannot_be_written_ends_what_it_told(
    lease_table: LeaseTableShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the connection would wait for an answer for ever, and nobody keep the stock."""
    monkeypatch.setattr(FakeHolder, "is_warm", True)
    holder = FakeHolder()
    lease_table.register(NOBODYS, holder)
    with monkeypatch.context() as patch:
        patch.setattr(store, "write", _fail)
        with pytest.raises(DatabaseError):
            trade()
    assert holder.notified == [((STOCK.name, 2),)]
    assert committed_version() == 1
    assert may_keep(STOCK.name)
    trade()
    assert committed_version() == 2


def may_keep(stock_name: str) -> bool:
    """Read a stock for memory; tell whether it may be kept."""
    (found,) = services.read_stocks(holder_id=UUID(NOBODYS), wanted={stock_name: True})
    return found is not None and found[1]


def _fail(*args: Any) -> None:
    raise DatabaseError("disk full")


def test_what_changes_nothing_bothers_no_holder(lease_table: LeaseTableShell) -> None:
    holder = FakeHolder()
    lease_table.register(NOBODYS, holder)
    trade()
    trade()
    services.place_batch(batch=Batch(TERM, LEADER, Position(1), (make_trade(2, 10**6),)))
    assert len(holder.notified) == 1


def test_a_stock_that_does_not_exist_leaves_nothing_on_the_list(
    lease_table: LeaseTableShell,
) -> None:
    """I10: or a flood of unknown names would fill the catalog's memory."""
    lease_table.register(NOBODYS, FakeHolder())
    assert services.read_stocks(holder_id=UUID(NOBODYS), wanted={"NoSuchCo": True}) == [None]
    assert "NoSuchCo" not in lease_table.table.subscribers


def list_new() -> None:
    new = types.Stock("NewCo", Decimal("1.00"), 5, 5, 10, 0, VERSION_FIRST)
    services.list_stocks(stocks=[new])


def test_every_holder_is_told_of_a_listing_before_it_is_committed(
    lease_table: LeaseTableShell,
) -> None:
    """I7: a front end that knows all names would say that there is no such stock."""
    seen: list[bool] = []

    def on_notified() -> None:
        names = in_thread(lambda: selectors.list_names(after=0, limit=10)).result(WAIT_S).names
        seen.append("NewCo" in names)

    holders = [FakeHolder(on_notified=on_notified) for _ in range(2)]
    for number, holder in enumerate(holders):
        lease_table.register(str(UUID(int=100 + number)), holder)
    list_new()
    assert [holder.notified for holder in holders] == [[(("NewCo", 1),)]] * 2
    assert seen == [False, False]
    assert selectors.get_stock(stock_name="NewCo").version == 1


def test_a_fill_that_comes_before_a_listing_leaves_a_later_one_subscribed(
    lease_table: LeaseTableShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: of two fills for one holder, the first finds no stock, and the second one keeps it."""
    holder, get_stocks = FakeHolder(), selectors.get_stocks
    lease_table.register(NOBODYS, holder)

    def late(*, stock_names: Collection[str]) -> Any:
        found = get_stocks(stock_names=stock_names)
        monkeypatch.setattr(selectors, "get_stocks", get_stocks)
        list_new()
        assert may_keep("NewCo")
        return found

    monkeypatch.setattr(selectors, "get_stocks", late)
    assert not may_keep("NewCo")
    services.change_price(stock_name="NewCo", price=Decimal(2))
    assert holder.notified == [(("NewCo", 1),), (("NewCo", 2),)]


def test_a_lease_says_how_far_the_listing_goes(lease_table: LeaseTableShell) -> None:
    before = services.register_holder(holder=HOLDER).listed
    assert selectors.list_names(after=0, limit=1).end < before
    lease_table._clients[str(HOLDER.holder_id)] = FakeHolder()
    list_new()
    after = services.renew_holder(holder_id=HOLDER.holder_id).listed
    assert selectors.list_names(after=before, limit=9) == NamesBody(names=("NewCo",), end=after)


def test_a_commit_waits_for_a_silent_holder_and_forgets_it(
    lease_table: LeaseTableShell, time: FakeTime
) -> None:
    services.register_holder(holder=HOLDER)
    lease_table._clients[str(HOLDER.holder_id)] = FakeHolder(failures=[Unreachable()] * 1000)
    trade()
    assert time.now_s >= 100.0 + LEASE_S
    assert committed_version() == 2
    assert HolderRegistration.objects.get().is_over
    with pytest.raises(UnknownHolder):
        services.renew_holder(holder_id=HOLDER.holder_id)


def test_nobody_registers_between_an_invalidation_and_its_commit(
    lease_table: LeaseTableShell,
) -> None:
    """A newcomer could fill its cache with what is about to change, and never hear of it."""
    registered: list[Future[int]] = []

    def register() -> int:
        services.register_holder(holder=OTHER)
        return selectors.get_stock(stock_name=STOCK.name).version

    def on_notified() -> None:
        registered.append(in_thread(register))
        with pytest.raises(TimeoutError):
            registered[0].result(0.1)

    lease_table.register(NOBODYS, FakeHolder(on_notified=on_notified))
    trade()
    assert registered[0].result(WAIT_S) == 2


def test_a_registration_waits_for_the_one_writer(lease_table: LeaseTableShell) -> None:
    """Not every database locks as SQLite does: the catalog's own lock must be enough."""
    with catalog_app.wiring.writer():
        registering = in_thread(lambda: services.register_holder(holder=HOLDER))
        with pytest.raises(TimeoutError):
            registering.result(0.1)
        assert lease_table.list_holders() == ()
    assert registering.result(WAIT_S).lease_s == LEASE_S


def test_two_batches_are_decided_one_after_the_other(lease_table: LeaseTableShell) -> None:
    """One writer: the second sees what the first wrote, and takes the next number."""
    second: list[Future[None]] = []

    def on_notified() -> None:
        if not second:
            second.append(in_thread(lambda: trade(2)))
            with pytest.raises(TimeoutError):
                second[0].result(0.1)

    lease_table.register(NOBODYS, FakeHolder(on_notified=on_notified))
    trade(1)
    second[0].result(WAIT_S)
    page = selectors.LEDGER.page(Position(0), 10)
    assert page.entries == (make_order(1), make_order(2))
    assert committed_version() == 3


def test_reads_go_on_while_a_holder_is_waited_for(lease_table: LeaseTableShell) -> None:
    lease_table.register(NOBODYS, FakeHolder(on_notified=lambda: wait_until(committed_version)))
    trade()


def restart(monkeypatch: pytest.MonkeyPatch, time: FakeTime) -> LeaseTableShell:
    """Begin anew as a restarted catalog does: memory is gone, the database is there."""
    lease_table = LeaseTableShell(LEASE_S, time.clock)
    monkeypatch.setattr(catalog_app.wiring, "lease_table", lambda: lease_table)
    catalog_app.wiring.start()
    return lease_table


def test_a_registration_survives_a_restart(
    lease_table: LeaseTableShell, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.register_holder(holder=HOLDER)
    services.register_holder(holder=OTHER)
    again = restart(monkeypatch, time)
    assert again is not lease_table
    assert set(again.list_holders()) == {str(HOLDER.holder_id), str(OTHER.holder_id)}


def test_a_lease_from_before_a_restart_is_waited_for(
    lease_table: LeaseTableShell, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.register_holder(holder=HOLDER)
    again = restart(monkeypatch, time)
    trade()
    assert time.now_s >= 100.0 + LEASE_S
    assert again.list_holders() == ()


def test_a_holder_that_missed_a_change_cannot_renew_after_a_restart(
    lease_table: LeaseTableShell, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its lease ran out, so nobody told it of the change; a restart must not bring the lease back.

    A paused front end, a trade, a killed catalog: renewed, it would answer with the old version.
    """
    services.register_holder(holder=HOLDER)
    time.now_s += 2 * LEASE_S
    trade()
    restart(monkeypatch, time)
    with pytest.raises(UnknownHolder):
        services.renew_holder(holder_id=HOLDER.holder_id)
