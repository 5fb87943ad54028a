"""
Plain SQL of the deciding transaction (docs/adr/0022).

The ORM costs several times the statement itself here, on the one path that every trade takes.
Everything else in this room reads through `selectors`.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.constants import OnConflict

from bazaar.core import activity
from bazaar.core.activity import ActiveCatalog, Heartbeat
from bazaar.core.digest import link
from bazaar.core.failures import NotActive
from bazaar.core.ledger import Batch, Decision, LedgerFacts, describe
from bazaar.core.replay import StockReplay
from bazaar.core.types import CatalogId, Head, Linked, Order, ReplicaId, Stock, Term, Version
from bazaar.runtime.engines import Database, current, marks
from bazaar.runtime.transactions import write_transaction
from catalog_app import head_row, selectors
from catalog_app.head_row import HeadRow
from catalog_app.models import HolderRegistration
from catalog_app.selectors import LEDGER, make_stocks, query_stocks

_END_LEASES = "UPDATE catalog_app_holderregistration SET is_over = ? WHERE holder_id IN ({})"
_INCARNATION = "UPDATE catalog_app_identity SET incarnation = ? WHERE id = 1"
_STOCK_COLUMNS = ("name", "price", "quantity", "opening", "issued", "trade_volume", "version")
_INSERT = (
    f"INSERT INTO catalog_app_stock ({', '.join(_STOCK_COLUMNS)})"  # noqa: S608 - our own names
    f" VALUES ({marks(len(_STOCK_COLUMNS))})"
)
_CHANGE = "UPDATE catalog_app_stock SET price = ?, version = ? WHERE name = ? AND version = ?"
_UPDATE = (
    "UPDATE catalog_app_stock SET quantity = ?, trade_volume = ?, version = ?"
    " WHERE name = ? AND version = ?"
)


class ClaimedEpoch(NamedTuple):
    """What a claim has read when it was committed."""

    row: HeadRow
    """As the claim has left it."""
    holders: tuple[HolderRegistration, ...]
    incarnation: UUID | None
    """Of the database."""
    heartbeat: Heartbeat
    """The last of the active before."""


def read_facts(database: Database, batch: Batch) -> tuple[HeadRow, LedgerFacts]:
    """
    Return the head row and the facts for a decision.

    database: in the deciding transaction. Raises Unreachable (indefinite): one is damaged.
    """
    names = sorted({trade.stock_name for trade in batch.trades})
    keys = LEDGER.query_of([trade.key for trade in batch.trades])
    queries = head_row.QUERY, keys, query_stocks(names)
    leadership, known, stocks = current().select(database, queries)
    row, head = head_row.make_row(leadership)
    head_row.fence.check(row)
    return row, LedgerFacts(
        term=row.leadership.term,
        leader=row.leadership.leader,
        head=head,
        in_sync=row.replicas_in_sync,
        known=LEDGER.found(known),
        stocks=make_stocks(names, stocks, Decimal),
    )


def write(
    database: Database,
    rows: tuple[HeadRow, HeadRow],
    facts: LedgerFacts,
    decision: Decision,
    decided_ms: int,
) -> None:
    """
    Append the orders to the ledger and change their stocks.

    rows: the head row before and after. decided_ms: since 1970. Raises Unreachable (indefinite):
    another catalog has decided meanwhile.
    """
    head_row.move(database, *rows)
    if not decision.orders:
        return
    more = [(facts.term, version, decided_ms) for version in decision.versions]
    LEDGER.insert(database, decision.linked, more)
    changed = [
        (one.quantity, one.trade_volume, one.version, one.name, facts.stocks[one.name].version)
        for one in decision.stocks
    ]
    updated = database.executemany(_UPDATE, changed).rowcount
    assert updated == len(changed), "only one writer changes a stock at a time"


def list_stocks(database: Database, before: tuple[HeadRow, Head], stocks: Sequence[Stock]) -> Head:
    """
    Store new stocks, and append their listing to the ledger; return its end then.

    before: where it ends. database: in a transaction. Raises Unreachable (indefinite): another
    catalog has decided meanwhile.
    """
    row, head = before
    linked = tuple(link(head, map(describe, stocks)))
    end = linked[-1][1] if linked else head
    head_row.move(database, row, row.moved(end))
    database.executemany(_INSERT, [_row_of(stock) for stock in stocks])
    LEDGER.insert(database, linked)
    return end


def change_price(database: Database, before: tuple[HeadRow, Head], stock: Stock) -> Head:
    """
    Append a stock's new price to the ledger, and change the stock.

    Returns the ledger's end then. before: where it ends. stock: with its next version. database: in
    a transaction. Raises Unreachable (indefinite): another catalog has decided meanwhile.
    """
    row, end = before
    ((entry, head),) = link(end, [describe(stock)])
    head_row.move(database, row, row.moved(head))
    LEDGER.insert(database, [(entry, head)])
    last = Version(stock.version - 1)
    updated = database.execute(_CHANGE, (str(stock.price), stock.version, stock.name, last))
    assert updated.rowcount == 1, "only one writer changes a stock at a time"
    return head


def take(database: Database, entries: Sequence[Linked], replay: StockReplay, term: Term) -> None:
    """
    Append entries that a replica had, and store their stocks.

    database: in a transaction. replay: of all before. term: it stands for the terms of the orders,
    which no log has, as no log has their times.
    """
    more = []
    for entry, _ in entries:
        version = replay.take(entry)
        if isinstance(entry, Order):
            more.append((term, version, None))
    names = dict.fromkeys(entry.stock_name for entry, _ in entries)
    _save_stocks(database, (replay.stocks[name] for name in names))
    LEDGER.insert(database, entries, more)


def _save_stocks(database: Database, stocks: Iterable[Stock]) -> None:
    """Store stocks as they are, listed or not before."""
    rest = connections[DEFAULT_DB_ALIAS].ops.on_conflict_suffix_sql(
        (), OnConflict.UPDATE, _STOCK_COLUMNS[1:], _STOCK_COLUMNS[:1]
    )
    database.executemany(f"{_INSERT} {rest}", [_row_of(one) for one in stocks])


def _row_of(stock: Stock) -> tuple[Any, ...]:
    return (
        *(stock.name, str(stock.price), stock.quantity, stock.opening, stock.issued),
        *(stock.trade_volume, stock.version),
    )


def claim_epoch(
    known: ActiveCatalog, catalog: CatalogId, fresh: UUID | None, only: Heartbeat | None
) -> ClaimedEpoch:
    """
    Make a catalog the active one of the next epoch.

    fresh: the database's new incarnation; None: it is what it was. only: the heartbeat that the
    active was seen with; None: any. Raises NotActive (definite): `known` is over, or has proved
    itself again. Raises Unreachable.
    """
    with write_transaction(decides=False) as database:
        current().end_stuck(database, "catalog_app_leadership")
    with write_transaction() as database:
        # Written first, so that no decision comes between what is read and the claim.
        heartbeat = head_row.lock(database, known.epoch)
        if heartbeat is None or only not in (None, heartbeat):
            raise NotActive(known.epoch, known.catalog)
        row, _ = head_row.make_row(database.execute(*head_row.QUERY).fetchall())
        claimed = activity.claim_epoch(row.known, known.epoch, catalog)
        holders, incarnation = selectors.list_holders(), fresh or selectors.get_incarnation()
        if fresh is not None:
            database.execute(_INCARNATION, (fresh.hex,))
        after = row._replace(epoch=claimed.epoch, active=claimed.catalog)
        head_row.move(database, row, after)
        head_row.begin_clock(database)
    return ClaimedEpoch(after, tuple(holders), incarnation, heartbeat)


def raise_term(term: Term, leader: ReplicaId | None) -> None:
    """Set term and leader to what the replicas know, if that is newer (I6)."""
    with head_row.decide() as database:
        row, _ = head_row.read(database)
        if row.term < term:
            head_row.move(database, row, row._replace(term=term, leader=leader))


def save_in_sync(replica_ids: Sequence[ReplicaId]) -> None:
    """Set which replicas count as those in sync, until a leader says so."""
    with head_row.decide() as database:
        row, _ = head_row.read(database)
        head_row.move(database, row, row._replace(in_sync=",".join(map(str, replica_ids))))


def end_leases(database: Database, holder_ids: Sequence[str]) -> None:
    """Note that some leases are over; database: in a transaction."""
    keys = [UUID(holder_id).hex for holder_id in holder_ids]
    database.execute(_END_LEASES.format(marks(len(keys))), (True, *keys))
