"""What the catalog does; each verb owns its transaction, one writer at a time."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import msgspec
from django.db import transaction

from bazaar import clock
from bazaar.core import types
from bazaar.core.election import Leadership, claim_term
from bazaar.core.failures import Busy, Failure, NotReplicated, StaleTerm
from bazaar.core.ledger import (
    Batch,
    BatchAnswer,
    Decision,
    LedgerFacts,
    Page,
    decide_batch,
    reprice,
)
from bazaar.core.types import (
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Term,
    Trade,
    TradeType,
    Version,
    tidy,
)
from bazaar.protocol import tracing
from bazaar.protocol.cache_messages import NAMES_MAX, HolderBody, LeaseBody
from bazaar.protocol.messages import StocksBody
from bazaar.protocol.traces import DECIDED
from bazaar.runtime.engines import Database, current
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.runtime.transactions import write_transaction
from catalog_app import head_row, selectors, store, wiring
from catalog_app.lease_table import REGISTRATION_WAIT_MAX_S
from catalog_app.models import HolderRegistration, Stock

log = get_log("bazaar.catalog")
T = TypeVar("T")

STOCK_SETS = ("asterix", "sp500")
HOLDERS_MAX = 500
"""Processes that may hold leases at once; each may have to be notified of a change."""
REGISTRATIONS_MAX = 5000
"""Registrations that are known at once: leases that run, and those that are remembered."""
REPLICATE_TIMEOUT_S = 3.0
"""For a leader to copy what the catalog decided without it, an election included."""
REPLICATE_RETRY_S = 0.05
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


def place_batch(*, batch: Batch) -> BatchAnswer:
    """
    Decide a batch of trades in one transaction.

    Caches are invalidated before the commit (I7). Raises StaleTerm, GapFound (definite): nothing is
    changed.
    """
    with tracing.begin_batch("decide trades", batch.trades, term=batch.term), wiring.writer():
        with _settling(), head_row.decide() as database:
            row, facts = store.read_facts(database, batch)
            decision = decide_batch(facts, batch)
            tracing.mark(DECIDED)
            changes = [(stock.name, stock.version) for stock in decision.stocks]
            in_sync = ",".join(map(str, batch.in_sync))
            rows = row, row.moved(decision.head)._replace(in_sync=in_sync)
            with _invalidating(database, changes):
                decided_ms = round(clock.wall_s() * 1000)
                store.write(database, rows, facts, decision, decided_ms)
        if decision.orders:
            tracing.note(order_no=decision.orders[0].order_no, placed=len(decision.orders))
        wiring.counts().add(requested=len(batch.trades), placed=len(decision.orders))
        page = _page_for(batch, facts, decision)
    return BatchAnswer(decision.answers, page)


@contextmanager
def _settling() -> Iterator[None]:
    """Settle invalidations after a transaction: its stocks may be cached again."""
    try:
        yield
    finally:
        wiring.lease_table().settle()


@contextmanager
def _invalidating(database: Database, changes: Sequence[tuple[str, Version]]) -> Iterator[None]:
    """
    Have changed stocks forgotten everywhere while the block writes; then the commit (I7).

    On a server the block waits for that: nobody else is to wait for locks of this transaction
    meanwhile, which end late if this process is paused. database: in the transaction.
    """
    if not changes:
        yield
        return
    lease_table = wiring.lease_table()
    began_s, dropped = clock.monotonic_s(), tuple[str, ...]()
    invalidation = lease_table.begin(changes)
    if is_shared := not current().is_file:
        dropped = lease_table.finish(invalidation)
    try:
        yield
    finally:
        if not is_shared:
            dropped = lease_table.finish(invalidation)
        wiring.counts().invalidations.add(clock.monotonic_s() - began_s)
    if dropped:
        store.end_leases(database, dropped)


def _page_for(batch: Batch, facts: LedgerFacts, decision: Decision) -> Page:
    """Return what the leader's log lacks: as a rule just what was decided."""
    if batch.after != facts.head.position:
        return wiring.confirmed(
            lambda: selectors.LEDGER.page(batch.after, wiring.page_orders_max())
        )
    return Page(
        after=facts.head,
        entries=decision.orders,
        digest=decision.head.digest,
        last=decision.head.position,
    )


def trade_directly(*, stock_name: str, trade_type: TradeType, quantity: int) -> Order:
    """
    Trade without a leader, as the seed's catalog does, under the current term.

    The order gets its place in the ledger; then the leader has it copied (I3). Raises UnknownStock,
    InsufficientQuantity, Overstock: definite. Raises NotReplicated (indefinite): no leader took it.
    """
    trade = Trade(uuid4(), stock_name, trade_type, quantity)
    while True:
        leadership, after = selectors.get_leadership(), selectors.LEDGER.head.position
        try:
            answer = place_batch(batch=Batch(leadership.term, leadership.leader, after, (trade,)))
        except StaleTerm:
            continue  # an election came between; its successor is as good
        (placed,) = answer.answers
        if isinstance(placed, Failure):
            raise placed
        _replicate(answer.page.end)
        return placed


def _replicate(position: Position) -> None:
    """
    Have the leader copy an entry that was decided without it (I3).

    Raises NotReplicated (indefinite): it is in the ledger, and no leader took it in time. Before
    the first leader there is nobody to copy it.
    """
    until_s = clock.monotonic_s() + REPLICATE_TIMEOUT_S
    while (leadership := selectors.get_leadership()).leader is not None:
        try:
            wiring.replicas()[leadership.leader].replicate(position)
        except Failure as failure:
            if clock.monotonic_s() >= until_s:
                message = "It is in the ledger, but no leader has copied it yet"
                raise NotReplicated(f"{message}: {failure.message}") from failure
            clock.wait(REPLICATE_RETRY_S)
        else:
            return


def claim_leadership(*, term: Term, leader: ReplicaId) -> Leadership:
    """
    Make `leader` the leader of term + 1 (I6).

    Raises StaleTerm (definite): the current term is another one; it carries the leader.
    Raises LeaderAlive (definite): the leader is new, and the catalog reaches it.
    """
    known = selectors.get_leadership()
    if known.leader is not None and known.term == term:
        wiring.leader_protection().check(known.leader)
    with wiring.writer(), head_row.decide() as database:
        row, _ = head_row.read(database)
        leadership = claim_term(row.leadership, term, leader)
        after = row._replace(term=leadership.term, leader=leadership.leader)
        head_row.move(database, row, after)
    wiring.leader_protection().begin()
    events.emit(log, logging.INFO, "elected", term=leadership.term, leader=leadership.leader)
    return leadership


def change_price(*, stock_name: str, price: Decimal) -> types.Stock:
    """
    Change a stock's price and return it as it is now.

    No reader sees the old one afterwards (I7), and it is as durable as an order (I3).

    price: > 0, at most 11 digits before and 4 after the point. Raises UnknownStock (definite),
    NotReplicated (indefinite): it is changed, and no leader has copied it yet.
    """
    with wiring.writer(), _settling(), head_row.decide() as database:
        before = head_row.read(database)
        after = reprice(selectors.get_stock(stock_name=stock_name), tidy(price))
        with _invalidating(database, [(after.name, after.version)]):
            head = store.change_price(database, before, after)
    _replicate(head.position)
    events.emit(
        log,
        logging.INFO,
        "price changed",
        stock_name=after.name,
        price=str(after.price),
        version=after.version,
    )
    return after


def register_holder(*, holder: HolderBody) -> LeaseBody:
    """
    Begin the lease of a holder whose cache is empty.

    A copy of a registration changes nothing and gets the same answer while the lease runs.
    Raises UnknownHolder (definite): it is over, or cannot be renewed. Raises Busy (definite): there
    are too many, or this one waited too long.
    """
    since_s = clock.monotonic_s()
    # Under the writer's lock: never between the invalidations of a change and its commit.
    with wiring.writer():
        if clock.monotonic_s() - since_s > REGISTRATION_WAIT_MAX_S:
            raise Busy("This registration waited too long for changes under way; send another.")
        if not wiring.lease_table().is_known(str(holder.holder_id)):
            _store_registration(holder)
        wiring.register(holder)
        return _describe_lease()


def _store_registration(holder: HolderBody) -> None:
    """Store a registration before its lease begins, so that a restart knows of it."""
    lease_table = wiring.lease_table()
    holders = lease_table.list_holders()
    forgotten = lease_table.forget_ended()
    if len(holders) >= HOLDERS_MAX or lease_table.count_known() >= REGISTRATIONS_MAX:
        raise Busy("Too many processes hold leases.")
    with transaction.atomic():
        with write_transaction() as database:
            head_row.fence.hold(database)
        HolderRegistration.objects.filter(holder_id__in=forgotten).delete()
        may_run = [*holders, *wiring.list_awaited()]
        HolderRegistration.objects.exclude(holder_id__in=may_run).update(is_over=True)
        HolderRegistration.objects.create(
            holder_id=holder.holder_id, host=holder.host, control_port=holder.control_port
        )


def renew_holder(*, holder_id: UUID) -> LeaseBody:
    """Prolong a lease. Raises UnknownHolder (definite)."""
    wiring.lease_table().renew(str(holder_id))
    return _describe_lease()


def _describe_lease() -> LeaseBody:
    """Return what a holder is told; the listing is read after the lease has begun."""
    return LeaseBody(
        incarnation=wiring.incarnation(),
        lease_s=wiring.lease_table().lease_s,
        listed=selectors.get_listing_end(),
        epoch=wiring.epoch(),
    )


def _read_settled(read: Callable[[], T], list_names: Callable[[T], Iterable[str]]) -> T:
    """
    Read stocks, those under change once that is over (I7).

    Until then a server may show the change, and lose it again. list_names: of the stocks found.
    """
    found = read()
    if wiring.is_shared() and not wiring.lease_table().are_settled(list_names(found)):
        with wiring.writer():
            found = read()
    return found


def read_stocks(
    *, holder_id: UUID, wanted: Mapping[str, bool]
) -> list[tuple[types.Stock, bool] | None]:
    """
    Return stocks as committed, each with whether the holder may keep it.

    wanted: names, each with whether it is to be kept. None: there is no such stock.
    """
    lease_table, kept = wiring.lease_table(), set[str]()
    if to_keep := [name for name, is_kept in wanted.items() if is_kept]:
        # Nobody subscribes to what does not exist.
        exist = selectors.get_stocks(stock_names=to_keep)
        kept = {name for name in exist if lease_table.subscribe(str(holder_id), name)}
    wiring.counts().add_reads(len(wanted))
    stocks = _read_settled(lambda: selectors.get_stocks(stock_names=wanted.keys()), iter)
    return [(stocks[name], name in kept) if name in stocks else None for name in wanted]


def read_stock(*, stock_name: str) -> types.Stock:
    """Return one stock as committed. Raises UnknownStock (definite)."""
    return _read_settled(
        lambda: selectors.get_stock(stock_name=stock_name), lambda found: (found.name,)
    )


def search_stocks(*, text: str, after: str, limit: int) -> StocksBody:
    """Return stocks whose names contain a text; see `selectors.search_stocks`."""
    return _read_settled(
        lambda: selectors.search_stocks(text=text, after=after, limit=limit),
        lambda found: (stock.name for stock in found.stocks),
    )


def read_ledger(*, after: Position, limit: int) -> Page:
    """
    Return entries after a position, none that was not acknowledged.

    Raises GapFound (definite).
    """
    page = selectors.LEDGER.page(after, limit)
    if head_row.fence.is_ahead(page.last):
        with wiring.writer():
            page = selectors.LEDGER.page(after, limit)
    return page


def read_last() -> OrderNo:
    """Return the newest order that was acknowledged."""
    head = selectors.LEDGER.read_head()
    if head_row.fence.is_ahead(head.position):
        with wiring.writer():
            head = selectors.LEDGER.read_head()
    return head.order_no


def read_leadership() -> Leadership:
    """Return the current term and its leader, once they are acknowledged."""
    leadership = selectors.get_leadership()
    if head_row.fence.is_ahead(0, leadership.term):
        with wiring.writer():
            leadership = selectors.get_leadership()
    return leadership


def load_stocks(*, name: str, asks_all: bool = False) -> int:
    """
    List the stocks of a shipped set.

    asks_all: every replica of the cluster has to answer this catalog before it decides, as one that
    was in sync (I3): its ledger may be in the place of a longer one. Return how many, 0 when the
    catalog has stocks already.
    """
    if Stock.objects.exists():
        return 0
    if asks_all:  # first: in a ledger without entries, whoever is killed now has asked all anyway
        store.save_in_sync(sorted(wiring.replicas()))
    rows = msgspec.json.decode((FIXTURES / f"{name}.json").read_bytes())
    stocks = [msgspec.convert(row["fields"], types.Stock) for row in rows]
    list_stocks(stocks=[replace(stock, price=tidy(stock.price)) for stock in stocks])
    return len(rows)


def list_stocks(*, stocks: Sequence[types.Stock]) -> None:
    """
    List new stocks, as durable as orders (I3).

    No reader hears afterwards that there is none of them (I7). stocks: in their first version,
    prices tidy, NAMES_MAX at most. Raises NotReplicated (indefinite): they are listed, and no
    leader has copied it yet.
    """
    assert len(stocks) <= NAMES_MAX, "one invalidation names them all"
    changes = [(stock.name, stock.version) for stock in stocks]
    with wiring.writer(), _settling(), head_row.decide() as database:
        before = head_row.read(database)
        with _invalidating(database, changes):
            head = store.list_stocks(database, before, stocks)
    _replicate(head.position)
