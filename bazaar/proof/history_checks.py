"""Checks of the answers to clients, also against the ledger (I1, I2, I3, I9)."""

from collections.abc import Iterable, Iterator
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.audit_database import AuditDatabase, Rule
from bazaar.proof.records import Done, Header, HistoryError, Record
from bazaar.proof.sources import tidy_key
from bazaar.proof.verdict import AuditNotes

BUFFER_ROWS = 5000
_TABLES = {"query": "read", "trade": "trade", "order": "lookup"}
_COUNTED = {"query": "queries", "trade": "trades", "order": "orders looked up"}
_CHANGED = """
SELECT trade.client, trade.order_no, key_text(trade.key) AS key, trade.trade_type, trade.shares,
    trade.stock_name, ledger.order_no AS has_no, ledger.trade_type AS has_type,
    ledger.quantity AS has_shares, ledger.stock_name AS has_name
FROM trade JOIN ledger ON ledger.key = trade.key WHERE outcome = 'ok' AND {condition}
ORDER BY trade.order_no
"""
_CHANGED_MESSAGE = (
    "client {client} was acknowledged order {order_no} ({trade_type} {shares} {stock_name}, "
    "key {key}), but the ledger has this key as order {has_no} ({has_type} {has_shares} {has_name})"
)
_SHOWN = """
SELECT lookup.client, lookup.order_no, printf('%.3f', lookup.start_s) AS at_s,
    lookup.trade_type, lookup.shares, lookup.stock_name, COALESCE(
        {source}.trade_type || ' ' || {shares} || ' ' || {source}.stock_name, 'no such order'
    ) AS has
FROM lookup LEFT JOIN {source} ON {source}.order_no = lookup.order_no
WHERE lookup.outcome = 'ok' AND {condition}
    AND (lookup.trade_type, lookup.shares, lookup.stock_name)
    IS NOT ({source}.trade_type, {shares}, {source}.stock_name)
ORDER BY lookup.order_no
"""
_SHOWN_MESSAGE = (
    "client {client} was shown order {order_no} as {trade_type} {shares} {stock_name} at {at_s} s, "
)
_AMONG_CLIENTS = (
    Rule(
        "I1",
        "order {order_no} was acknowledged for two trades, with the keys {one} and {other}",
        """
        SELECT order_no, key_text(MIN(key)) AS one, key_text(MAX(key)) AS other FROM trade
        WHERE outcome = 'ok' GROUP BY order_no HAVING COUNT(DISTINCT key) > 1 ORDER BY order_no
        """,
    ),
    Rule(
        "I2",
        "key {key} was acknowledged as order {first} and as order {order_no}",
        """
        SELECT key_text(key) AS key, MIN(order_no) AS first, MAX(order_no) AS order_no FROM trade
        WHERE outcome = 'ok' GROUP BY trade.key HAVING COUNT(DISTINCT trade.order_no) > 1
        ORDER BY first
        """,
    ),
    Rule(
        "I3",
        "client {client} was told at {sent_s} s that there is no order {order_no}, "
        "which had been acknowledged at {told_s} s",
        """
        SELECT lookup.client, lookup.order_no, printf('%.3f', lookup.start_s) AS sent_s,
            printf('%.3f', MIN(trade.end_s)) AS told_s
        FROM lookup JOIN trade ON trade.order_no = lookup.order_no AND trade.outcome = 'ok'
        WHERE lookup.outcome = 'not_found' AND trade.end_s < lookup.start_s
        GROUP BY lookup.client, lookup.order_no, lookup.start_s ORDER BY lookup.order_no
        """,
    ),
    Rule(
        "I9",
        "client {client} was told at {at_s} s that there is no stock {stock_name}",
        """
        SELECT client, stock_name, printf('%.3f', start_s) AS at_s FROM read
        WHERE outcome = 'not_found' AND stock_name IN (
            SELECT stock_name FROM opening UNION SELECT name FROM stock
        ) ORDER BY start_s
        """,
    ),
)
_AGAINST_LEDGER = (
    Rule(
        "I3",
        "order {order_no} ({trade_type} {shares} {stock_name}, key {key}), "
        "acknowledged to client {client}{at}, is lost: the ledger lacks its key",
        """
        SELECT client, order_no, key_text(key) AS key, trade_type, shares, stock_name,
            IIF(end_s IS NULL, '', printf(' at %.3f s', end_s)) AS at
        FROM trade WHERE outcome = 'ok' AND trade.key NOT IN (SELECT key FROM ledger)
        ORDER BY order_no
        """,
    ),
    Rule(
        "I2",
        _CHANGED_MESSAGE,
        _CHANGED.format(condition="trade.order_no <> ledger.order_no"),
    ),
    Rule(
        "I3",
        _CHANGED_MESSAGE,
        _CHANGED.format(
            condition="trade.order_no = ledger.order_no"
            " AND (trade.trade_type, trade.shares, trade.stock_name)"
            " <> (ledger.trade_type, ledger.quantity, ledger.stock_name)"
        ),
    ),
    Rule(
        "I9",
        "client {client} was refused {trade_type} {shares} {stock_name} (key {key}) "
        "with {status}, but it happened as order {order_no}",
        """
        SELECT trade.client, key_text(trade.key) AS key, trade.trade_type, trade.shares,
            trade.stock_name, trade.status, ledger.order_no
        FROM trade JOIN ledger ON ledger.key = trade.key
        WHERE outcome IN ('refused', 'not_found', 'busy') AND status <> 422
            AND trade.key NOT IN (
                SELECT key FROM trade WHERE outcome NOT IN ('refused', 'not_found', 'busy')
            )
        ORDER BY ledger.order_no
        """,
    ),
    Rule(
        "I1",
        _SHOWN_MESSAGE + "but the ledger has {has}",
        _SHOWN.format(source="ledger", shares="ledger.quantity", condition="TRUE"),
    ),
)
_WITHOUT_LEDGER = (
    Rule(
        "I1",
        _SHOWN_MESSAGE + "but acknowledged was {has}",
        _SHOWN.format(source="trade", shares="trade.shares", condition="trade.outcome = 'ok'"),
    ),
)


def check_history(database: AuditDatabase, notes: AuditNotes, *, has_ledger: bool) -> None:
    """
    Note every promise that the answers break.

    With a ledger, every acknowledged trade must be in it as it was placed, and no refused one.
    Without one, the answers must at least agree with each other.
    """
    rules = (*_AMONG_CLIENTS, *(_AGAINST_LEDGER if has_ledger else _WITHOUT_LEDGER))
    notes.extend(database.find("history", rules))
    (acknowledged,) = database.one("SELECT COUNT(DISTINCT key) FROM trade WHERE outcome = 'ok'")
    notes.counts["trades acknowledged"] = acknowledged


def load_history(records: Iterable[Record], database: AuditDatabase, notes: AuditNotes) -> None:
    """Put a history into the database. Raises HistoryError: it cannot be judged."""
    buffers: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES.values()}
    for record in records:
        if isinstance(record, Header):
            openings = (
                (one.stock_name, one.version, one.quantity, one.trade_volume, one.price)
                for one in record.openings
            )
            database.insert("opening", openings)
        elif isinstance(record, Done):
            buffer = buffers[_TABLES[record.kind]]
            buffer.append(_row(record))
            notes.counts[f"{_COUNTED[record.kind]} in the history"] += 1
            if len(buffer) >= BUFFER_ROWS:
                database.insert(_TABLES[record.kind], buffer)
                buffer.clear()
    for table, buffer in buffers.items():
        database.insert(table, buffer)
    database.index_history()


def _row(done: Done) -> tuple[Any, ...]:
    """Return an operation as a row of its table. Raises HistoryError."""
    for fault in _faults(done):
        raise HistoryError(f"A {done.kind} of client {done.client} at {done.sent_s} s {fault}.")
    span = (done.sent_s, done.done_s)
    match done.kind:
        case "query":
            shown = (done.version, done.quantity, done.trade_volume, done.price, done.is_stale)
            return done.client, done.stock_name, done.outcome, *shown, *span
        case "trade":
            trade = (tidy_key(done.key), done.stock_name, done.trade_type, done.shares)
            return done.client, *trade, done.order_no, done.outcome, done.status, *span
        case "order":
            shown_order = (done.stock_name, done.trade_type, done.shares)
            return done.client, done.order_no, done.outcome, *shown_order, *span


def _faults(done: Done) -> Iterator[str]:
    """Yield what an operation lacks to be judged."""
    is_ok = done.outcome == "ok"
    needed = {
        "query": ("stock_name", *(("version", "done_s") if is_ok else ())),
        "trade": ("key", "stock_name", "trade_type", "shares", *(("order_no",) if is_ok else ())),
        "order": ("order_no", *(("stock_name", "trade_type", "shares") if is_ok else ())),
    }[done.kind]
    for name in needed:
        if getattr(done, name) is None:
            yield f"has no {name}"
    if done.trade_type not in (None, *TradeType):
        yield f"has the trade_type {done.trade_type!r}"
    if done.done_s is not None and done.done_s < done.sent_s:
        yield f"ends ({done.done_s}) before it begins"
    for name in ("version", "shares", "order_no"):
        if (number := getattr(done, name)) is not None and number < 1:
            yield f"has the {name} {number}"
