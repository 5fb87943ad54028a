"""Each typed client against the real URLs of its role: values in, values out."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec
import pytest

import catalog_app.wiring
from bazaar.clock import monotonic_s
from bazaar.core.election import Leadership
from bazaar.core.failures import (
    DamagedPage,
    Diverged,
    GapFound,
    InsufficientQuantity,
    KeyReused,
    NotLeader,
    NotServing,
    Overstock,
    StaleTerm,
    Unconfirmed,
    UnknownHolder,
    UnknownOrder,
    UnknownStock,
)
from bazaar.core.ledger import Batch
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import (
    GENESIS,
    CatalogId,
    Epoch,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Stock,
    Term,
    TradeType,
    Version,
)
from bazaar.protocol.cache_messages import LeaseBody, NamesBody
from bazaar.protocol.clients import CLIENTS
from bazaar.protocol.statuses import EVENTS_MAX
from bazaar.runtime import sequence_store
from catalog_app import models
from catalog_app.models import Entry
from tests.contract.conftest import HOLDER, ME, TERM, Cluster
from tests.support.histories import STOCK, TOKEN, make_linked, make_order, make_page, make_trade

LIMIT = 1000


def batch_of(*numbers: int, after: int = 2, term: Term = TERM) -> Batch:
    return Batch(term, ME, Position(after), tuple(map(make_trade, numbers)))


def read_one(cluster: Cluster, name: str) -> Stock:
    """Return a stock as the catalog has it. Raises UnknownStock."""
    (found,) = cluster.catalog.read(HOLDER.holder_id, {name: False}).stocks
    if found is None:
        raise UnknownStock
    return found[0]


def test_a_stock_is_read_with_all_its_numbers(cluster: Cluster) -> None:
    stock = read_one(cluster, STOCK.name)
    assert (stock.price, stock.quantity, stock.trade_volume) == (STOCK.price, 998, 2)
    assert (stock.opening, stock.issued, stock.version) == (1000, 2000, 3)


def test_a_stock_is_filled_for_who_has_a_lease(cluster: Cluster) -> None:
    stock = read_one(cluster, STOCK.name)
    holder_id = cluster.reader.holder.holder_id
    wanted = {STOCK.name: True, "NoSuchCo": True}
    assert cluster.catalog.read(holder_id, wanted).stocks == ((stock, True), None)
    assert cluster.catalog.read(UUID(int=12345), wanted).stocks == ((stock, False), None)
    assert cluster.catalog.read(holder_id, {STOCK.name: False}).stocks == ((stock, False),)


@pytest.mark.parametrize("name", ["NoSuchCo", " ", "%00", "a&b=c", "Ünï ⚔", "x" * 200, "."])
def test_a_stock_that_does_not_exist_is_unknown_whatever_its_name(
    cluster: Cluster, name: str
) -> None:
    with pytest.raises(UnknownStock):
        read_one(cluster, name)


def test_a_batch_is_answered_trade_by_trade(cluster: Cluster) -> None:
    batch = Batch(
        *(TERM, ME, Position(2)),
        (
            make_trade(3),
            make_trade(4, stock_name="NoSuchCo"),
            make_trade(5, quantity=10**6),
            make_trade(6, quantity=10**6, trade_type=TradeType.SELL),
            make_trade(1, quantity=7),
            make_trade(1),
        ),
    )
    answer = cluster.catalog.place(batch)
    assert answer.answers[0] == make_order(3)
    kinds = [type(refused) for refused in answer.answers[1:5]]
    assert kinds == [UnknownStock, InsufficientQuantity, Overstock, KeyReused]
    assert answer.answers[5] == make_order(1)
    assert answer.page == make_page(3, after=2)


def test_a_batch_brings_what_the_leader_lacks(cluster: Cluster) -> None:
    assert cluster.catalog.place(batch_of(3, after=0)).page == make_page(3)


def test_a_batch_of_an_old_term_is_fenced(cluster: Cluster) -> None:
    with pytest.raises(StaleTerm) as caught:
        cluster.catalog.place(batch_of(3, term=Term(2)))
    assert (caught.value.term, caught.value.leader) == (TERM, ME)


def test_a_batch_after_orders_that_the_ledger_lacks_is_refused(cluster: Cluster) -> None:
    with pytest.raises(GapFound) as caught:
        cluster.catalog.place(batch_of(3, after=9))
    assert caught.value.last == 2


def test_the_ledger_is_read_in_pages(cluster: Cluster) -> None:
    first = cluster.catalog.ledger(Position(0), 1)
    assert (first.entries, first.last, first.after.digest) == ((make_order(1),), 2, GENESIS)
    assert cluster.catalog.ledger(Position(1), LIMIT) == make_page(2, after=1)
    assert cluster.catalog.ledger(Position(2), LIMIT).entries == ()
    assert cluster.catalog.last(1.0) == 2
    with pytest.raises(GapFound):
        cluster.catalog.ledger(Position(3), LIMIT)


def test_rows_are_read_as_they_are_stored(cluster: Cluster) -> None:
    """With what stands beside the order: digest, term, version and time."""
    first, second = make_order(1), make_order(2)
    digests = [head.digest for _, head in make_linked(2)]
    ledger = cluster.catalog.rows(OrderNo(0), LIMIT)
    assert ledger.last == 2
    assert [(row.order_no, UUID(row.key), row.version) for row in ledger.rows] == [
        (1, first.key, 2),
        (2, second.key, 3),
    ]
    assert [(row.digest, row.term) for row in ledger.rows] == [(one, TERM) for one in digests]
    log = cluster.replica.rows(OrderNo(1), LIMIT)
    row = msgspec.structs.replace(ledger.rows[1], term=None, version=None, decided_ms=None)
    assert (log.rows, log.last) == ((row,), 2)
    assert cluster.catalog.rows(OrderNo(0), 1).rows == ledger.rows[:1]
    assert cluster.replica.rows(OrderNo(9), LIMIT).rows == ()


def test_rows_are_found_by_key_and_by_a_part_of_the_stock(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest first; bounded, and the answer says down to where it has looked."""
    first, second = make_order(1), make_order(2)
    for client in (cluster.catalog, cluster.replica):
        found = client.find(STOCK.name[1:4].upper(), OrderNo(0), LIMIT)
        assert ([row.order_no for row in found.rows], found.first, found.last) == ([2, 1], 1, 2)
        assert found.rows == client.rows(OrderNo(0), LIMIT).rows[::-1]
        page = client.find(STOCK.name, OrderNo(0), 1)
        assert ([row.order_no for row in page.rows], page.first) == ([2], 2)
        page = client.find(STOCK.name, OrderNo(page.first), 1)
        assert ([row.order_no for row in page.rows], page.first) == ([1], 1)
        assert client.find(STOCK.name, OrderNo(1), 1).rows == ()
        assert client.find("100%", OrderNo(0), LIMIT).rows == ()
        for text in (str(first.key), first.key.hex, first.key.hex[-7:]):
            found = client.find(text, OrderNo(0), LIMIT)
            assert 1 in [row.order_no for row in found.rows]
    monkeypatch.setattr(sequence_store, "SEARCHED_MAX", 1)
    found = cluster.catalog.find(STOCK.name, OrderNo(0), LIMIT)
    assert ([row.order_no for row in found.rows], found.first) == ([2], 2)
    (whole,) = cluster.catalog.find(str(first.key), OrderNo(0), LIMIT).rows
    assert whole.order_no == 1
    assert second.key != first.key


def test_a_search_in_an_empty_ledger_finds_nothing(cluster: Cluster) -> None:
    Entry.objects.all().delete()
    found = cluster.catalog.find("x", OrderNo(0), LIMIT)
    assert (found.rows, found.first, found.last) == ((), 0, 0)


def test_rows_of_a_damaged_log_are_read_all_the_same(cluster: Cluster) -> None:
    cluster.shell.machine.mark_corrupt()
    assert len(cluster.replica.rows(OrderNo(0), LIMIT).rows) == 2


def test_the_listing_is_read_in_pages_as_of_one_order(cluster: Cluster) -> None:
    models.Stock.objects.create(name="Another", price=1, quantity=1, opening=1, issued=1)
    first = cluster.catalog.listing(0, 1)
    assert [one.to_core() for one in first.stocks] == [read_one(cluster, STOCK.name)]
    second = cluster.catalog.listing(first.end, LIMIT)
    assert [one.name for one in second.stocks] == ["Another"]
    assert (first.last, second.last) == (2, 2)
    empty = cluster.catalog.listing(second.end, LIMIT)
    assert (empty.stocks, empty.end, empty.last) == ((), second.end, 2)


def test_leadership_is_claimed_once(cluster: Cluster) -> None:
    assert cluster.catalog.get_leadership() == Leadership(TERM, ME)
    assert cluster.catalog.claim(TERM, ReplicaId(1)) == Leadership(Term(4), ReplicaId(1))
    with pytest.raises(StaleTerm) as caught:
        cluster.catalog.claim(TERM, ReplicaId(3))
    assert (caught.value.term, caught.value.leader) == (4, 1)


def test_a_holder_registers_and_renews(cluster: Cluster) -> None:
    holder = msgspec.structs.replace(HOLDER, holder_id=uuid4())
    with pytest.raises(UnknownHolder):
        cluster.catalog.renew(holder)
    place = models.Stock.objects.get().pk
    lease = LeaseBody(
        lease_s=cluster.lease_table.lease_s,
        incarnation=catalog_app.wiring.incarnation(),
        listed=place,
    )
    assert cluster.catalog.register(holder) == cluster.catalog.renew(holder) == lease


def test_names_are_read_in_pages(cluster: Cluster) -> None:
    place = models.Stock.objects.get().pk
    assert cluster.catalog.names(0, 1) == NamesBody(names=(STOCK.name,), end=place)
    assert cluster.catalog.names(place, 1) == NamesBody(names=(), end=place)


def test_a_ping_says_who_leads(cluster: Cluster) -> None:
    ping = cluster.replica.ping(1)
    assert (ping.replica_id, ping.term, ping.leader, ping.last) == (ME, TERM, ME, 2)
    assert (ping.is_serving, ping.is_leading) == (True, True)


def test_a_notice_deposes_a_leader(cluster: Cluster) -> None:
    with pytest.raises(StaleTerm):
        cluster.replica.notice(Term(4), ReplicaId(3), 1)  # the catalog does not say so
    cluster.catalog.claim(TERM, ReplicaId(3))
    cluster.replica.notice(Term(4), ReplicaId(3), 1)
    ping = cluster.replica.ping(1)
    assert (ping.term, ping.leader, ping.is_leading) == (4, 3, False)
    with pytest.raises(StaleTerm):
        cluster.replica.notice(TERM, ME, 1)


def test_an_append_is_stored_and_acknowledged(cluster: Cluster) -> None:
    append = Append(Term(4), ReplicaId(3), make_page(4, after=2), TOKEN)
    expected = Accepted(Position(4), make_page(4).digest)
    assert cluster.replica.append(append, 1) == expected
    assert cluster.replica.append(append, 1) == expected
    assert cluster.replica.log(Position(0), LIMIT) == make_page(4)


def test_an_append_is_refused_with_its_reason(cluster: Cluster) -> None:
    leader = ReplicaId(3)
    with pytest.raises(StaleTerm):
        cluster.replica.append(Append(Term(2), leader, make_page(3, after=2), TOKEN), 1)
    with pytest.raises(GapFound) as gap:
        cluster.replica.append(Append(Term(4), leader, make_page(9, after=8), TOKEN), 1)
    assert gap.value.last == 2
    damaged = replace(make_page(3, after=2), digest=GENESIS)
    with pytest.raises(DamagedPage):
        cluster.replica.append(Append(Term(4), leader, damaged, TOKEN), 1)
    other = make_page(2, orders=[make_order(1), make_order(2, quantity=9)])
    with pytest.raises(Diverged):
        cluster.replica.append(Append(Term(4), leader, other, TOKEN), 1)


def test_a_catalog_tells_whether_it_is_active(cluster: Cluster) -> None:
    ping = cluster.catalog.ping_active()
    assert (ping.epoch, ping.is_active, ping.is_proven) == (0, True, True)


def test_a_new_active_catalog_is_followed_once_it_is_confirmed(cluster: Cluster) -> None:
    cluster.replica.notify_epoch(Epoch(1), CatalogId(1), 1)
    assert cluster.reader.lease.is_valid(monotonic_s())
    cluster.front_end.notify_epoch(Epoch(1), CatalogId(1), 1)
    assert not cluster.reader.lease.is_valid(monotonic_s()), "it may be of an older epoch"
    for client in (cluster.replica, cluster.front_end):
        with pytest.raises(Unconfirmed):
            client.notify_epoch(Epoch(2), CatalogId(9), 1)


def test_a_leader_confirms_its_own_token_only(cluster: Cluster) -> None:
    cluster.replica.confirm(TERM, TOKEN, 1)
    with pytest.raises(Unconfirmed):
        cluster.replica.confirm(TERM, UUID(int=1), 1)
    with pytest.raises(Unconfirmed):
        cluster.replica.append(Append(TERM, ME, make_page(3, after=2), TOKEN), 1)


def test_a_log_that_ends_before_is_a_gap(cluster: Cluster) -> None:
    with pytest.raises(GapFound):
        cluster.replica.log(Position(3), LIMIT)


def test_trades_are_placed_in_their_term_only(cluster: Cluster) -> None:
    assert cluster.replica.trade(TERM, [make_trade(3), make_trade(1)], 1) == (
        make_order(3),
        make_order(1),
    )
    with pytest.raises(NotLeader):
        cluster.replica.trade(Term(4), [make_trade(4)], 1)


def test_an_order_is_looked_up(cluster: Cluster) -> None:
    assert cluster.replica.look_up(OrderNo(2)) == make_order(2)
    with pytest.raises(UnknownOrder):
        cluster.replica.look_up(OrderNo(3))


def test_a_damaged_replica_says_that_it_does_not_serve(cluster: Cluster) -> None:
    cluster.shell.machine.mark_corrupt()
    assert not cluster.replica.ping(1).is_serving
    for ask in (
        lambda: cluster.replica.look_up(OrderNo(1)),
        lambda: cluster.replica.log(Position(0), LIMIT),
        lambda: cluster.replica.append(Append(TERM, ME, make_page(2), TOKEN), 1),
        lambda: cluster.replica.notice(Term(4), ME, 1),
    ):
        with pytest.raises(NotServing):
            ask()


def test_an_invalidation_is_acknowledged(cluster: Cluster) -> None:
    cluster.reader.read(STOCK.name)
    assert [entry.version for entry in cluster.front_end.status().cached] == [3]
    cluster.front_end.invalidate([(STOCK.name, Version(4)), ("Ünï ⚔", Version(2))], 1)
    assert cluster.front_end.status().cached == ()


def test_a_restart_of_the_catalog_is_expected(cluster: Cluster) -> None:
    assert not cluster.reader.parked.park(lambda: None)
    cluster.front_end.expect_restart(30)
    assert cluster.reader.parked.park(lambda: None)
    cluster.front_end.expect_restart(0)
    assert not cluster.reader.parked.park(lambda: None)


def test_every_role_tells_its_status(cluster: Cluster) -> None:
    catalog, replica = cluster.catalog.status(), cluster.replica.status()
    assert (catalog.role, catalog.term, catalog.leader, catalog.last) == ("catalog", 3, 2, 2)
    assert (catalog.stocks, len(catalog.holders)) == (1, 2)
    assert (replica.role, replica.id, replica.term, replica.last) == ("order", 2, 3, 2)
    assert (replica.state, replica.in_sync, replica.trades) == ("leading", (2,), 2)
    assert catalog.digest == replica.digest == make_page(2).digest
    front_end = cluster.front_end.status()
    assert (front_end.role, front_end.term, front_end.leader) == ("frontend", 3, 2)


def test_every_role_tells_its_requests_and_events_and_no_more_than_it_may(
    cluster: Cluster,
) -> None:
    """I10: a status stays small however long a role runs."""
    for _ in range(EVENTS_MAX + 1):
        cluster.lease_table.register(str(uuid4()), cluster.front_end)
    for ask in (cluster.catalog.status, cluster.replica.status, cluster.front_end.status):
        ask()
        status = ask()
        counted = {operation.name: operation for operation in status.operations}["GET /status"]
        assert counted.count == sum(counted.buckets) >= 1
        assert 0 < counted.p50_ms <= counted.p95_ms <= counted.p99_ms
        numbers = [event.no for event in status.events]
        assert numbers == list(range(numbers[0], numbers[0] + EVENTS_MAX))


def test_any_role_can_be_asked_for_its_status(cluster: Cluster) -> None:
    clients = (cluster.catalog, cluster.replica, cluster.front_end)
    assert {CLIENTS[client.status().role] for client in clients} == set(map(type, clients))


@pytest.mark.parametrize("key", [UUID(int=0), UUID(int=2**128 - 1), uuid4()])
def test_a_key_travels_whole(cluster: Cluster, key: UUID) -> None:
    (order,) = cluster.replica.trade(TERM, [make_trade(3, key=key)], 1)
    assert isinstance(order, Order)
    assert order.key == key


@pytest.mark.parametrize("name", ["Ünï ⚔ & Co.", '"quoted" \\ %41+', "x" * 200, " padded "])
def test_a_name_travels_as_it_is(cluster: Cluster, name: str) -> None:
    models.Stock.objects.create(name=name, price=1, quantity=1, opening=1, issued=1)
    assert read_one(cluster, name).name == name


@pytest.mark.parametrize(
    "price", ["0.01", "99999999999.9999", "12345678901.2345", "12.5", "1", "0.1234"]
)
def test_a_price_travels_with_its_digits(cluster: Cluster, price: str) -> None:
    before = read_one(cluster, STOCK.name)
    after = cluster.catalog.change_price(STOCK.name, Decimal(price))
    assert (after.price, after.version) == (Decimal(price), before.version + 1)
    assert read_one(cluster, STOCK.name) == after
    with pytest.raises(UnknownStock):
        cluster.catalog.change_price("NoSuchCo", Decimal(1))


def test_roles_with_a_database_tell_its_size(cluster: Cluster) -> None:
    assert (cluster.catalog.status().database_bytes or 0) > 0
    assert (cluster.replica.status().database_bytes or 0) > 0
    assert cluster.front_end.status().database_bytes is None
