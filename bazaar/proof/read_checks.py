"""
Checks that the reads of a load run were coherent (I7).

Clients know which version they read; the ledger knows which version a trade made. Trades of other
clients are in the ledger as well, at unknown times. Price changes are in no table: a version that
no trade made was one.
"""

import math
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.audit_database import AuditDatabase
from bazaar.proof.linearizability import check
from bazaar.proof.stock_operations import StockOperation, StockOperationKind, make_opening
from bazaar.proof.verdict import AuditNotes

PRICE_CHANGES_MAX = 10_000
"""Of one stock; versions further apart than that are no price changes."""
_STOCKS = "SELECT stock_name FROM read UNION SELECT stock_name FROM trade ORDER BY stock_name"
_OPENINGS = "SELECT version, quantity, trade_volume, price FROM opening WHERE stock_name = ?"
_READS = """
SELECT client, version, start_s, end_s, is_stale, quantity, trade_volume, price FROM read
WHERE stock_name = ? AND outcome = 'ok'
"""
_FLOOR = "SELECT MIN(version) - 1 FROM read WHERE stock_name = ? AND outcome = 'ok'"
_WRITES = """
SELECT request.client, ledger.version, request.start_s, request.end_s, ledger.order_no,
    ledger.trade_type, ledger.quantity
FROM ledger LEFT JOIN request ON request.key = ledger.key
WHERE ledger.stock_name = ? AND ledger.version > ? ORDER BY ledger.version
"""
_UNRESOLVED = """
SELECT DISTINCT request.client, request.start_s, trade.trade_type, trade.shares
FROM trade JOIN request ON request.key = trade.key WHERE trade.stock_name = ?
"""
_MADE = "SELECT version FROM ledger WHERE stock_name = ? AND version > ? ORDER BY version"
_NEWEST = "SELECT version FROM stock WHERE name = ?"


def check_reads(database: AuditDatabase, notes: AuditNotes, *, has_ledger: bool) -> None:
    """Note every read that no order of the operations explains."""
    for (name,) in list(database.select(_STOCKS)):
        try:
            report = check(_operations(database, name, has_ledger=has_ledger))
        except (ValueError, InvalidOperation) as error:
            notes.gaps.append(f"The reads of {name} cannot be judged: {error}.")
            continue
        notes.counts["reads judged"] += report.reads
        notes.counts["reads marked stale"] += report.stale_reads
        notes.counts["writes judged"] += report.writes - report.unresolved_writes
        for violation in report.violations:
            notes.find("I7", "history", violation.describe(), violation.later.order_no)


def _operations(
    database: AuditDatabase, name: str, *, has_ledger: bool
) -> Iterator[StockOperation]:
    """Yield all known operations on a stock."""
    openings = list(database.select(_OPENINGS, name))
    for version, quantity, trade_volume, price in openings:
        yield make_opening(name, version, quantity, trade_volume, Decimal(price))
    for row in database.select(_READS, name):
        yield _read(name, row)
    if not has_ledger:
        yield from _unresolved(database, name)
        return
    (floor,) = database.one(_FLOOR, name)
    floor = openings[0][0] if openings else floor
    if floor is not None:
        yield from _writes(database, name, floor)
        if openings:
            yield from _price_changes(database, name, floor)


def _read(name: str, row: tuple[Any, ...]) -> StockOperation:
    client, version, start_s, end_s, is_stale, quantity, trade_volume, price = row
    return StockOperation(
        *(client, StockOperationKind.READ, name, version, start_s, end_s),
        is_stale=bool(is_stale),
        quantity=quantity,
        trade_volume=trade_volume,
        price=None if price is None else Decimal(price),
    )


def _writes(database: AuditDatabase, name: str, floor: int) -> Iterator[StockOperation]:
    """Yield the ledger's trades past a version; other clients' are of any time."""
    for row in database.select(_WRITES, name, floor):
        client, version, start_s, end_s, order_no, trade_type, quantity = row
        yield StockOperation(
            *(client or 0, StockOperationKind.TRADE, name, version),
            start_s=-math.inf if start_s is None else start_s,
            end_s=math.inf if end_s is None else end_s,
            order_no=order_no,
            trade_type=TradeType(trade_type),
            shares=quantity,
        )


def _unresolved(database: AuditDatabase, name: str) -> Iterator[StockOperation]:
    """Yield the clients' trades when there is no ledger: their versions are unknown."""
    for client, start_s, trade_type, shares in database.select(_UNRESOLVED, name):
        kind = TradeType(trade_type)
        yield StockOperation(
            *(client, StockOperationKind.TRADE, name, None, start_s), trade_type=kind, shares=shares
        )


def _price_changes(database: AuditDatabase, name: str, floor: int) -> Iterator[StockOperation]:
    """Yield the versions up to the newest that no trade made, at unknown times."""
    newest = next(database.select(_NEWEST, name), (0,))[0]
    made = {version for (version,) in database.select(_MADE, name, floor)}
    if newest - floor - len(made) > PRICE_CHANGES_MAX:
        return
    for version in range(floor + 1, newest + 1):
        if version not in made:
            yield StockOperation(0, StockOperationKind.PRICE, name, version, start_s=-math.inf)
