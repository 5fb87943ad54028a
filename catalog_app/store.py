"""
Plain SQL of the deciding transaction (docs/adr/0022).

The ORM costs several times the statement itself here, on the one path that every trade takes.
Everything else in this room reads through `selectors`.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from sqlite3 import Connection
from uuid import UUID

from django.db import connection

from bazaar.core.digest import link
from bazaar.core.ledger import Batch, Decision, LedgerFacts, describe
from bazaar.core.replay import StockReplay
from bazaar.core.types import Linked, Order, Position, ReplicaId, Stock, StockChange, Term, Version
from bazaar.runtime.damage import damage
from bazaar.runtime.sequence_rows import make_head
from bazaar.runtime.sequence_store import HEAD_COLUMNS
from bazaar.runtime.transactions import write_transaction
from catalog_app.selectors import IS_LEADERSHIP_SOUND, LEDGER, STOCKS, make_stocks, read_ids

_LEADERSHIP_AND_HEAD = (
    f"SELECT {IS_LEADERSHIP_SOUND}, leadership.term, leadership.leader, leadership.in_sync,"  # noqa: S608 - our own names
    f" {HEAD_COLUMNS}"
    f" FROM catalog_app_leadership leadership{LEDGER.head_joins} WHERE leadership.id = 1"
)
_END_LEASES = "UPDATE catalog_app_holderregistration SET is_over = %s WHERE holder_id IN ({})"
_TERM = "UPDATE catalog_app_leadership SET term = ?, leader = ? WHERE id = 1 AND term < ?"
_IN_SYNC = "UPDATE catalog_app_leadership SET in_sync = ? WHERE id = 1"
_STOCK = (
    "INSERT INTO catalog_app_stock"
    " (name, price, quantity, opening, issued, trade_volume, version) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET price = excluded.price, quantity = excluded.quantity,"
    " opening = excluded.opening, issued = excluded.issued,"
    " trade_volume = excluded.trade_volume, version = excluded.version"
)
_CHANGE = "UPDATE catalog_app_stock SET price = ?, version = ? WHERE name = ? AND version = ?"
_UPDATE = (
    "UPDATE catalog_app_stock SET quantity = ?, trade_volume = ?, version = ?"
    " WHERE name = ? AND version = ?"
)


def read_facts(database: Connection, batch: Batch) -> LedgerFacts:
    """
    Return the facts for a decision; database: in the deciding transaction.

    Raises Unreachable (indefinite): one is damaged.
    """
    row = database.execute(_LEADERSHIP_AND_HEAD).fetchone()
    if row is None or not row[0]:
        raise damage.refuse("the leadership")
    _, term, leader, in_sync, *head = row
    names = sorted({trade.stock_name for trade in batch.trades})
    stocks = database.execute(STOCKS.format(", ".join("?" * len(names))), names)
    return LedgerFacts(
        term=Term(term),
        leader=None if leader is None else ReplicaId(leader),
        head=LEDGER.confirm(make_head(head)),
        in_sync=read_ids(in_sync),
        known=LEDGER.find([trade.key for trade in batch.trades], database.execute),
        stocks=make_stocks(names, stocks, Decimal),
    )


def write(
    database: Connection, batch: Batch, facts: LedgerFacts, decision: Decision, decided_ms: int
) -> None:
    """
    Append the orders to the ledger and change their stocks; note who is in sync.

    decided_ms: since 1970.
    """
    if batch.in_sync != facts.in_sync:
        database.execute(_IN_SYNC, (",".join(map(str, batch.in_sync)),))
    if not decision.orders:
        return
    more = [(facts.term, version, decided_ms) for version in decision.versions]
    LEDGER.insert(database, decision.linked, more)
    for stock in decision.stocks:
        before = facts.stocks[stock.name]
        updated = database.execute(
            _UPDATE,
            (stock.quantity, stock.trade_volume, stock.version, stock.name, before.version),
        )
        assert updated.rowcount == 1, "only one writer changes a stock at a time"


def list_stocks(database: Connection, stocks: Sequence[StockChange]) -> Position:
    """
    Append the listing of stocks to the ledger; return the position of the last.

    database: in a transaction.
    """
    head = LEDGER.head
    linked = tuple(link(head, stocks))
    LEDGER.insert(database, linked)
    return (linked[-1][1] if linked else head).position


def change_price(database: Connection, stock: Stock) -> Position:
    """
    Append a stock's new price to the ledger, and change the stock.

    Returns the entry's position. stock: with its next version. database: in a transaction.
    """
    ((entry, head),) = link(LEDGER.head, [describe(stock)])
    LEDGER.insert(database, [(entry, head)])
    before = Version(stock.version - 1)
    updated = database.execute(_CHANGE, (str(stock.price), stock.version, stock.name, before))
    assert updated.rowcount == 1, "only one writer changes a stock at a time"
    return head.position


def take(database: Connection, entries: Sequence[Linked], replay: StockReplay, term: Term) -> None:
    """
    Append entries that a replica had; `save_stocks` follows.

    database: in a transaction. replay: of all before. term: it stands for the terms of the orders,
    which no log has, as no log has their times.
    """
    more = []
    for entry, _ in entries:
        version = replay.take(entry)
        if isinstance(entry, Order):
            more.append((term, version, None))
    LEDGER.insert(database, entries, more)


def save_stocks(database: Connection, stocks: Iterable[Stock]) -> None:
    """Store stocks as they are, listed or not before; database: in a transaction."""
    rows = (
        (
            *(one.name, str(one.price), one.quantity, one.opening, one.issued),
            *(one.trade_volume, one.version),
        )
        for one in stocks
    )
    database.executemany(_STOCK, rows)


def raise_term(term: Term, leader: ReplicaId | None) -> None:
    """Set term and leader to what the replicas know, which is newer (I6)."""
    with write_transaction() as database:
        database.execute(_TERM, (term, leader, term))


def end_leases(holder_ids: Sequence[str]) -> None:
    """Note that some leases are over, in whatever transaction is under way."""
    keys = [UUID(holder_id).hex for holder_id in holder_ids]
    with connection.cursor() as cursor:
        cursor.execute(_END_LEASES.format(", ".join(["%s"] * len(keys))), [True, *keys])
