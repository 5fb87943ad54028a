"""
Put the reads and writes of a load run together and have them judged (I7; `bazaar.proof.history`).

Clients know which version they read; which version a trade made, the ledger knows. Trades of others
are in the ledger, too, at times that nobody here knows. Price changes are in no table: a version of
a stock that no trade made was one.
"""

import math
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.history import Kind, Operation, opening
from bazaar.proof.linearizability import check
from bazaar.proof.scratch import Scratch
from bazaar.proof.verdict import Notes

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
SELECT asked.client, ledger.version, asked.start_s, asked.end_s, ledger.order_no,
    ledger.trade_type, ledger.quantity
FROM ledger LEFT JOIN asked ON asked.key = ledger.key
WHERE ledger.stock_name = ? AND ledger.version > ? ORDER BY ledger.version
"""
_UNRESOLVED = """
SELECT DISTINCT asked.client, asked.start_s, trade.trade_type, trade.shares
FROM trade JOIN asked ON asked.key = trade.key WHERE trade.stock_name = ?
"""
_MADE = "SELECT version FROM ledger WHERE stock_name = ? AND version > ? ORDER BY version"
_NEWEST = "SELECT version FROM stock WHERE name = ?"


def check_coherence(scratch: Scratch, notes: Notes, *, has_ledger: bool) -> None:
    """Note every read that no order of the operations explains."""
    for (name,) in list(scratch.select(_STOCKS)):
        try:
            report = check(_operations(scratch, name, has_ledger=has_ledger))
        except (ValueError, InvalidOperation) as error:
            notes.gaps.append(f"The reads of {name} cannot be judged: {error}.")
            continue
        notes.counts["reads judged"] += report.reads
        notes.counts["reads marked stale"] += report.stale_reads
        notes.counts["writes judged"] += report.writes - report.unresolved_writes
        for violation in report.violations:
            notes.find("I7", "history", violation.describe(), violation.later.order_no)


def _operations(scratch: Scratch, name: str, *, has_ledger: bool) -> Iterator[Operation]:
    """Yield all that is known to have been done to a stock, or read of it."""
    openings = list(scratch.select(_OPENINGS, name))
    for version, quantity, trade_volume, price in openings:
        yield opening(name, version, quantity, trade_volume, Decimal(price))
    for row in scratch.select(_READS, name):
        yield _read(name, row)
    if not has_ledger:
        yield from _unresolved(scratch, name)
        return
    (floor,) = scratch.one(_FLOOR, name)
    floor = openings[0][0] if openings else floor
    if floor is not None:
        yield from _writes(scratch, name, floor)
        if openings:
            yield from _price_changes(scratch, name, floor)


def _read(name: str, row: tuple[Any, ...]) -> Operation:
    client, version, start_s, end_s, is_stale, quantity, trade_volume, price = row
    return Operation(
        *(client, Kind.READ, name, version, start_s, end_s),
        is_stale=bool(is_stale),
        quantity=quantity,
        trade_volume=trade_volume,
        price=None if price is None else Decimal(price),
    )


def _writes(scratch: Scratch, name: str, floor: int) -> Iterator[Operation]:
    """Yield the trades of the ledger past a version; those of others may have been at any time."""
    for row in scratch.select(_WRITES, name, floor):
        client, version, start_s, end_s, order_no, trade_type, quantity = row
        yield Operation(
            *(client or 0, Kind.TRADE, name, version),
            start_s=-math.inf if start_s is None else start_s,
            end_s=math.inf if end_s is None else end_s,
            order_no=order_no,
            trade_type=TradeType(trade_type),
            shares=quantity,
        )


def _unresolved(scratch: Scratch, name: str) -> Iterator[Operation]:
    """Yield the clients' trades without a ledger: nobody knows the versions that they made."""
    for client, start_s, trade_type, shares in scratch.select(_UNRESOLVED, name):
        kind = TradeType(trade_type)
        yield Operation(*(client, Kind.TRADE, name, None, start_s), trade_type=kind, shares=shares)


def _price_changes(scratch: Scratch, name: str, floor: int) -> Iterator[Operation]:
    """Yield the versions up to the newest that no trade made, at times that nobody knows."""
    newest = next(scratch.select(_NEWEST, name), (0,))[0]
    made = {version for (version,) in scratch.select(_MADE, name, floor)}
    if newest - floor - len(made) > PRICE_CHANGES_MAX:
        return
    for version in range(floor + 1, newest + 1):
        if version not in made:
            yield Operation(0, Kind.PRICE, name, version, start_s=-math.inf)
