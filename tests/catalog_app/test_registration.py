"""A registration counts once, however often and late it arrives (I7, docs/DESIGN.md 4.4)."""

from itertools import chain, repeat
from uuid import UUID

import msgspec
import pytest
from django.core.management import call_command
from django.db import connection

import catalog_app.wiring
from bazaar.core.failures import Busy, UnknownHolder
from bazaar.core.ledger import Batch
from bazaar.core.types import Position
from bazaar.protocol.cache_messages import HolderBody
from bazaar.settings.env import Limits
from bazaar.topology import Node
from catalog_app import selectors, services
from catalog_app.lease_table import REMEMBERED_S, LeaseTableShell
from catalog_app.models import HolderRegistration
from frontend_app.stocks import StockReader
from tests.catalog_app.conftest import LEADER, LEASE_S, TERM
from tests.catalog_app.fakes import DirectCatalog, FakeHolder, FakeTime, ReaderClient
from tests.support.histories import STOCK, make_trade

pytestmark = pytest.mark.usefixtures("committed_catalog")

HOLDER = HolderBody(holder_id=UUID(int=1), host="127.0.0.1", control_port=30002)
OTHER = msgspec.structs.replace(HOLDER, holder_id=UUID(int=2))


@pytest.fixture
def lease_table(time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> LeaseTableShell:
    """Make a lease table whose holders have in memory what they asked for."""
    return restart(time, monkeypatch)


def restart(time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> LeaseTableShell:
    """Begin as a restarted catalog does: memory is gone, the database is there."""
    lease_table = LeaseTableShell(LEASE_S, time.clock)
    monkeypatch.setattr(catalog_app.wiring, "lease_table", lambda: lease_table)
    catalog_app.wiring.start()
    return lease_table


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> FakeHolder:
    """Make the process that every registration names."""
    holder = FakeHolder()
    monkeypatch.setattr(catalog_app.wiring, "_client_of", lambda host, port: holder)
    return holder


@pytest.fixture
def reader(lease_table: LeaseTableShell, monkeypatch: pytest.MonkeyPatch) -> StockReader:
    """Make a real front end's cache over the real services; without time it never lets go."""
    node = Node(host="127.0.0.1", port=30001, control_port=30002)
    reader = StockReader(DirectCatalog(), node, Limits(lease_s=3600.0))
    monkeypatch.setattr(catalog_app.wiring, "_client_of", lambda host, port: ReaderClient(reader))
    reader.keep_lease()
    return reader


def trade(number: int = 1) -> None:
    batch = Batch(TERM, LEADER, Position(0), (make_trade(number),))
    services.place_batch(batch=batch)


def fill(holder: HolderBody = HOLDER) -> bool:
    """Ask for the stock; tell whether the holder may keep it."""
    wanted = {STOCK.name: True}
    (found,) = services.read_stocks(holder_id=holder.holder_id, wanted=wanted)
    return found is not None and found[1]


@pytest.mark.parametrize("late_s", [0.0, 1.9])
def test_a_copy_leaves_the_holder_on_the_list(
    lease_table: LeaseTableShell, holder: FakeHolder, time: FakeTime, late_s: float
) -> None:
    assert services.register_holder(holder=HOLDER).lease_s == LEASE_S
    assert fill()
    time.now_s += late_s
    assert services.register_holder(holder=HOLDER).lease_s == LEASE_S
    trade()
    assert holder.notified == [((STOCK.name, 2),)]
    assert HolderRegistration.objects.count() == 1


def test_a_copy_prolongs_no_lease(
    lease_table: LeaseTableShell, holder: FakeHolder, time: FakeTime
) -> None:
    """The holder counts from when it sent the one registration that it knows of."""
    services.register_holder(holder=HOLDER)
    time.now_s += LEASE_S / 2
    services.register_holder(holder=HOLDER)
    time.now_s += LEASE_S / 2
    assert lease_table.list_holders() == ()


def test_a_copy_begins_no_lease_after_the_first(
    lease_table: LeaseTableShell, holder: FakeHolder, time: FakeTime
) -> None:
    """Its holder may still have the stock; renewed, it would answer with the old version."""
    services.register_holder(holder=HOLDER)
    assert fill()
    time.now_s += LEASE_S
    trade()
    with pytest.raises(UnknownHolder):
        services.register_holder(holder=HOLDER)
    with pytest.raises(UnknownHolder):
        services.renew_holder(holder_id=HOLDER.holder_id)
    assert not fill()


def test_a_late_copy_of_an_old_registration_leaves_the_newer_one_alone(
    lease_table: LeaseTableShell, holder: FakeHolder, time: FakeTime
) -> None:
    services.register_holder(holder=HOLDER)
    time.now_s += LEASE_S
    services.register_holder(holder=OTHER)
    assert fill(OTHER)
    with pytest.raises(UnknownHolder):
        services.register_holder(holder=HOLDER)
    trade()
    assert holder.notified == [((STOCK.name, 2),)]


def test_a_registration_that_arrives_after_the_next_one_leaves_that_alone(
    lease_table: LeaseTableShell, holder: FakeHolder
) -> None:
    """The front end's first try timed out against a writer's lock, and is served now."""
    services.register_holder(holder=OTHER)
    assert fill(OTHER)
    services.register_holder(holder=HOLDER)
    trade()
    assert holder.notified == [((STOCK.name, 2),)]


@pytest.mark.parametrize("is_over", [False, True])
def test_a_copy_begins_no_lease_after_a_restart(
    lease_table: LeaseTableShell,
    holder: FakeHolder,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_over: bool,
) -> None:
    services.register_holder(holder=HOLDER)
    if is_over:
        time.now_s += LEASE_S
        services.register_holder(holder=OTHER)
    restart(time, monkeypatch)
    with pytest.raises(UnknownHolder):
        services.register_holder(holder=HOLDER)


def test_a_lease_that_was_over_is_not_waited_for_after_a_restart(
    lease_table: LeaseTableShell,
    holder: FakeHolder,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services.register_holder(holder=HOLDER)
    time.now_s += LEASE_S
    services.register_holder(holder=OTHER)
    again = restart(time, monkeypatch)
    assert again.list_holders() == (str(OTHER.holder_id),)
    assert again.is_known(str(HOLDER.holder_id))


def test_a_registration_that_waited_too_long_is_refused(
    lease_table: LeaseTableShell, holder: FakeHolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then its id may be forgotten."""
    times_s = chain((0.0,), repeat(60.1))
    monkeypatch.setattr("catalog_app.services.clock.monotonic_s", lambda: next(times_s))
    with pytest.raises(Busy, match="send another"):
        services.register_holder(holder=HOLDER)
    assert not HolderRegistration.objects.exists()


def test_there_is_a_limit_to_how_many_processes_hold_leases(
    lease_table: LeaseTableShell, holder: FakeHolder
) -> None:
    """I10: each of them is told of every change."""
    for number in range(services.HOLDERS_MAX):
        lease_table.register(str(UUID(int=1000 + number)), holder)
    with pytest.raises(Busy):
        services.register_holder(holder=HOLDER)
    assert not HolderRegistration.objects.exists()


def test_there_is_a_limit_to_how_many_registrations_are_remembered(
    lease_table: LeaseTableShell, holder: FakeHolder, time: FakeTime
) -> None:
    """I10: a process that begins a lease over and over fills neither memory nor database."""
    for number in range(services.REGISTRATIONS_MAX):
        lease_table.remember(str(UUID(int=1000 + number)))
    with pytest.raises(Busy):
        services.register_holder(holder=HOLDER)
    time.now_s += REMEMBERED_S + 1
    services.register_holder(holder=HOLDER)
    assert lease_table.count_known() == 1


def test_registrations_do_not_pile_up_over_restarts_of_front_ends(
    lease_table: LeaseTableShell, holder: FakeHolder, time: FakeTime
) -> None:
    """I10: every lease that begins has another id."""
    services.register_holder(holder=HOLDER)
    time.now_s += LEASE_S + REMEMBERED_S + 1
    services.register_holder(holder=OTHER)
    time.now_s += REMEMBERED_S + 1
    services.register_holder(holder=msgspec.structs.replace(HOLDER, holder_id=UUID(int=3)))
    assert HOLDER.holder_id not in {row.holder_id for row in selectors.list_holders()}


def test_a_process_with_two_registrations_has_one_address(
    lease_table: LeaseTableShell, holder: FakeHolder
) -> None:
    """The dashboard asks each process once."""
    services.register_holder(holder=HOLDER)
    services.register_holder(holder=OTHER)
    assert selectors.list_addresses(holder_ids=lease_table.list_holders()) == (
        ("127.0.0.1", 30002),
    )


def test_a_worker_is_scraped_at_the_address_that_it_holds_a_lease_with(
    lease_table: LeaseTableShell, holder: FakeHolder
) -> None:
    services.register_holder(holder=HOLDER)
    services.register_holder(holder=msgspec.structs.replace(OTHER, control_port=40123))
    targets = catalog_app.wiring.list_targets()
    assert [one["labels"]["process"] for one in targets] == [
        *("catalog", "order-1", "order-2", "order-3", "frontend-1", "dashboard", "worker-40123"),
    ]
    assert targets[-1] == {
        "targets": ["127.0.0.1:40123"],
        "labels": {"role": "frontend", "process": "worker-40123"},
    }


def test_a_database_of_the_version_before_keeps_its_registrations() -> None:
    """Its front ends may still have leases, so each is waited for."""
    call_command("migrate", "catalog_app", "0002", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_app_holderregistration VALUES (%s, '127.0.0.1', 30002)",
            [HOLDER.holder_id.hex],
        )
    call_command("migrate", "catalog_app", verbosity=0)
    (row,) = selectors.list_holders()
    assert (row.holder_id, row.is_over) == (HOLDER.holder_id, False)


def test_a_reader_sees_the_trade_after_a_copy_of_its_registration(reader: StockReader) -> None:
    """I7, with the real front end: recorded and sent again, or sent twice by the transport."""
    assert reader.read(STOCK.name).entry.version == 1
    services.register_holder(holder=reader.holder)
    trade()
    seen = reader.read(STOCK.name)
    assert (seen.entry.version, seen.is_stale) == (2, False)


def test_a_reader_sees_the_trade_after_copies_of_all_its_registrations(
    reader: StockReader, lease_table: LeaseTableShell, time: FakeTime
) -> None:
    """I7: the lease was lost and begun anew; copies of both registrations arrive, the old last."""
    old = reader.holder
    reader.read(STOCK.name)
    time.now_s += LEASE_S
    reader.keep_lease()
    assert reader.holder.holder_id != old.holder_id
    reader.read(STOCK.name)
    services.register_holder(holder=reader.holder)
    with pytest.raises(UnknownHolder):
        services.register_holder(holder=old)
    trade()
    assert reader.read(STOCK.name).entry.version == 2
